import html.parser
import math
import os

import numpy as np
import pytest

from runtime_bench.measuring.machine import Machine
from runtime_bench.pages.report import Page
from sr_models.ground.errors import OutputError

MACHINE = Machine("CPU <b>x</b>", ("avx2", "fma"), 2, None, 1.5, "Linux", "3.11", {"numpy": None})
EVIL = "<script>alert('x')</script> & \"quotes\""


class Reader(html.parser.HTMLParser):
    """The tags, sources and text of a page; complains about tags that are not closed."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.words, self.cells, self._open = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        found = dict(attributes)
        self.sources += [found[name] for name in ("src", "href") if name in found]
        if tag == "td":
            self.cells.append(["", found.get("class", "")])
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
            self.words.append(data)
            if self._open[-1] == "td":
                self.cells[-1][0] += data

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def full_page(noise, *, text="words"):
    """A page with a block of every kind."""
    bar = {"label": text, "median_ms": 2.0, "p5_ms": 1.0, "p95_ms": 3.0}
    return (
        Page(text)
        .add_heading(text)
        .add_text(f"{text}\n\nA second\nparagraph.")
        .add_table([text, "number"], [[text, 1.5], [None, 2]], caption=text)
        .add_latency_bars([bar], caption=text)
        .add_scatter([{**bar, "psnr_db": 30.0}], caption=text)
        .add_histograms([(text, noise)], caption=text)
        .add_crops([[(text, noise), (text, noise)], [(text, noise)]], caption=text)
        .add_machine({**MACHINE.to_json(), "system": text})
    )


def cells_of(headers, rows, **options):
    return Reader(Page("t").add_table(headers, rows, **options).html()).cells


def test_every_kind_of_block_is_drawn(noise):
    page = full_page(noise)
    assert {block["kind"] for block in page.blocks} == {
        "heading",
        "text",
        "table",
        "plot",
        "crops",
        "machine",
    }
    found = Reader(page.html())
    # Three plots and three crops.
    assert found.tags.count("img") == 6
    assert found.tags.count("table") == 2
    assert "A second paragraph." in found.text
    assert "load average 1.5 on 2 core(s)" in found.text
    assert "numpy not installed" in found.text
    assert "Governor not readable" in found.text


def test_nothing_comes_from_the_network(noise):
    page = full_page(noise).html()
    found = Reader(page)
    assert len(found.sources) == 6
    assert all(source.startswith("data:image/") for source in found.sources)
    assert not {"script", "link", "iframe"} & set(found.tags)
    for word in ("http:", "https:", "url(", "@import"):
        assert word not in page


def test_text_is_escaped_everywhere(noise):
    page = full_page(noise, text=EVIL).html()
    assert "<script" not in page and "<b>" not in page
    found = Reader(page)
    assert "script" not in found.tags
    # Title, heading, paragraph, head, cell, captions, crops' captions, machine.
    assert found.text.count("<script>alert('x')</script>") >= 10
    assert "CPU <b>x</b>" in found.text


def test_an_empty_page_is_a_page():
    assert "Nothing yet" in Reader(Page("Nothing yet").html()).text


@pytest.mark.parametrize(
    ("value", "text", "numeric"),
    [
        (None, "-", False),
        (math.nan, "nan", True),
        (math.inf, "inf", True),
        (28.391, "28.39", True),
        (0.81234, "0.8123", True),
        (123456.7, "123457", True),
        (3, "3", True),
        (np.float32(0.5), "0.5", True),
        (np.int64(70000), "70000", True),
        (True, "yes", False),
        (False, "no", False),
        (np.bool_(True), "yes", False),
        ("12", "12", False),
        ("", "", False),
    ],
)
def test_cells(value, text, numeric):
    assert cells_of(["h"], [[value]]) == [[text, "number" if numeric else ""]]


def highlighted(values, best):
    return [
        value
        for value, kind in cells_of(["h"], [[v] for v in values], best={"h": best})
        if "best" in kind
    ]


def test_the_best_of_a_column_is_highlighted():
    assert highlighted([3.0, 1.0, 2.0], "low") == ["1"]
    assert highlighted([3.0, 1.0, 2.0], "high") == ["3"]
    assert highlighted([1.0, 1.0, 2.0], "low") == ["1", "1"]
    assert highlighted([1.0, None, "text"], "low") == []


@pytest.mark.parametrize("values", [[math.nan, 2.0, 1.0], [2.0, math.nan, 1.0]])
def test_what_is_no_number_is_never_the_best_and_hides_none(values):
    assert highlighted(values, "low") == ["1"]
    assert highlighted(values, "high") == ["2"]


def test_a_column_begins_with_a_gap():
    cells = cells_of(["h"], [[None], [2.5]], best={"h": "low"})
    assert cells == [["-", ""], ["2.5", "number"]]


def test_a_page_is_saved_whole(noise, tmp_path):
    path = tmp_path / "page.html"
    page = full_page(noise, text="größer ☃")
    assert page.save(path) == path
    assert path.read_text(encoding="utf-8") == page.html()
    page.add_heading("more").save(str(path))
    assert "more" in path.read_text(encoding="utf-8")
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_failure_leaves_the_old_page(tmp_path):
    path = tmp_path / "page.html"
    Page("old").save(path)
    broken = Page("new")
    broken.blocks.append({"kind": "heading"})
    with pytest.raises(Exception, match="text"):
        broken.save(path)
    assert "old" in path.read_text() and os.listdir(tmp_path) == ["page.html"]


def test_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "page.html", tmp_path):
        with pytest.raises(OutputError):
            Page("t").save(place)
    assert os.listdir(tmp_path) == ["file"]


def test_a_machine_of_another_version_is_shown_as_far_as_it_goes():
    found = Reader(Page("t").add_machine({"cpu": "some CPU"}).html())
    assert "some CPU" in found.text
