import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from representative_data.cfqp import CfqpSettings, build_cfqp_dataset
from representative_data.choices import Taming
from representative_data.page import page_html, save_page, shown_pairs
from representative_data.report import build_report
from representative_data.tiles import Tile, load_tiles
from sr_models.ground.errors import OutputError
from tests.networks import sharpening_network

NAMED = {"network": "sharpening", "scale": 2}


@pytest.fixture(scope="module")
def tiles(picture_folder):
    return load_tiles(picture_folder, scale=2, count=8, side=32)


@pytest.fixture(scope="module")
def report(tiles):
    model = sharpening_network(strength=0.2)
    return build_report(model, tiles, build_cfqp_dataset(model, tiles, **NAMED))


class _Tags(HTMLParser):
    """Every tag with its attributes, and whether all were closed."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def decoded(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))))


def test_the_page_needs_nothing_else_and_is_well_formed(report, tiles):
    text = page_html(report, tiles)
    tags = _Tags(text)
    assert tags.open == []
    sources = [attrs[key] for _, attrs in tags.found for key in ("src", "href") if key in attrs]
    assert sources and all(source.startswith("data:image/png;base64,") for source in sources)
    assert "url(" not in text and "<script" not in text
    policy = [a["content"] for tag, a in tags.found if a.get("http-equiv")]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_the_page_is_for_phones_and_for_the_dark(report, tiles):
    text = page_html(report, tiles)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    light, dark = re.findall(r":root \{([^}]*)\}", text)
    names = [set(re.findall(r"(--[\w]+):", block)) for block in (light, dark)]
    assert names[0] == names[1]  # no colour stays light in the dark


def test_pictures_stand_before_and_after(report, tiles):
    """What is shown is what the set holds, found by another way than the page's."""
    found = shown_pairs(report, tiles)
    natural = {(tile.source, tile.top, tile.left): tile.pixels for tile in tiles}
    anchors = [pair for pair in found if "(anchor)" in pair.title]
    assert found[:2] == anchors and all(pair.before == "" for pair in anchors)
    used = [r for r in report.dataset.records if r.status != "dropped"]
    shown = 0
    for record, pixels in zip(used, report.dataset.pictures):
        title = f"{record.source} ({record.status})"
        for pair in found:
            if pair.title == title and np.array_equal(decoded(pair.after), pixels):
                shown += 1
                if record.status != "anchor":
                    expected = natural[record.source, record.top, record.left]
                    np.testing.assert_array_equal(decoded(pair.before), expected)
                break
    assert shown == len(found) == 10


def test_the_pictures_that_left_farthest_come_first(report, tiles):
    (_, _, first) = shown_pairs(report, tiles, most=1)
    worst = max(r.output_before[1] for r in report.dataset.records)
    assert f"..{worst:.4f} " in first.outputs
    assert first.change.startswith("x 0.")


def test_each_picture_is_shown_once_before_any_again(report, tiles):
    titles = [pair.title.split(" (")[0] for pair in shown_pairs(report, tiles)[2:]]
    assert len(set(titles[:4])) == 4 and set(titles[4:]) == set(titles[:4])


def test_a_dropped_picture_is_shown_before_alone(tiles):
    model = sharpening_network(strength=0.05)
    settings = CfqpSettings(Taming("select"))
    flat = [Tile(f"even{i}", "", i, 0, np.full((32, 32, 3), 90 + i, np.uint8)) for i in range(2)]
    dataset = build_cfqp_dataset(model, [*tiles, *flat], settings=settings, **NAMED)
    assert dataset.count("dropped") > 0
    found = shown_pairs(build_report(model, [*tiles, *flat], dataset), [*tiles, *flat])
    dropped = [pair for pair in found if "(dropped)" in pair.title]
    assert len(dropped) == dataset.count("dropped")
    assert all(pair.before and not pair.after for pair in dropped)


def test_verdicts_follow_the_limit_and_the_contract(report, tiles):
    assert page_html(report, tiles, limit=1.0).count('class="verdict"') == 2
    model = sharpening_network(strength=0.2)
    shrunken = build_cfqp_dataset(model, tiles, settings=CfqpSettings(anchors=False), **NAMED)
    text = page_html(build_report(model, tiles, shrunken), tiles, limit=0.0)
    assert text.count('class="verdict bad"') == 2
    assert "input scale is" in text and '<tr class="bad">' in text


def test_names_of_files_are_escaped(report, tiles):
    from dataclasses import replace

    odd = [replace(r, source="<b>&.png") for r in report.dataset.records]
    renamed = replace(report, dataset=replace(report.dataset, records=odd))
    text = page_html(renamed, tiles)
    assert "&lt;b&gt;&amp;.png" in text and "<b>&.png" not in text


def test_the_page_is_whole_or_absent(report, tiles, tmp_path):
    save_page(report, tiles, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text == page_html(report, tiles)
    with pytest.raises(OutputError):
        save_page(report, tiles, tmp_path / "page.html" / "deeper.html")
