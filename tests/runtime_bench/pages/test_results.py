import copy
import json

import pytest

from runtime_bench.history.history import append_history
from runtime_bench.pages import gathered
from runtime_bench.pages.results import KINDS, kind_of_results, page_of_results, read_results
from sr_models.ground.console import json_text
from sr_models.ground.errors import OptionError

HEADINGS = {
    "latency": ["Latency", "Over time", "Where the time goes"],
    "quality": ["Quality", "Side by side"],
    "compare": ["Candidate against baseline", "Latency", "Quality"],
    "android": ["Latency on phones", "Pictures made on phones", "Where the time goes"],
}


@pytest.fixture
def parts(result_parts):
    return result_parts


@pytest.fixture
def undrawn(monkeypatch):
    """Plots are built and left blank, where the test is about what stands around them."""
    from matplotlib.figure import Figure

    monkeypatch.setattr(Figure, "savefig", lambda figure, buffer, **_: buffer.write(b"<svg/>"))


@pytest.mark.parametrize("kind", HEADINGS)
def test_each_verbs_json_is_known_and_drawn(kind, parts, tmp_path):
    path = tmp_path / f"{kind}.json"
    path.write_text(json_text(parts[kind]))
    read = read_results(path)
    assert kind_of_results(read) == kind
    page = page_of_results([read], title="A title")
    headings = [block["text"] for block in page.blocks if block["kind"] == "heading"]
    assert headings == HEADINGS[kind]
    html = page.html()
    assert "A title" in html and "clip_free.tflite" in html


def test_a_history_is_known_by_its_name_and_drawn(parts, tmp_path):
    path = tmp_path / "speed.jsonl"
    append_history(path, parts["history"]["history"])
    read = read_results(path)
    assert kind_of_results(read) == "history" and len(read["history"]) == 6
    page = page_of_results([read], title="t")
    assert [block["kind"] for block in page.blocks] == ["heading", "plot"]
    path.write_text("{}\n")
    with pytest.raises(OptionError, match="other data in line 1"):
        read_results(path)
    assert set(HEADINGS) | {"history"} == set(KINDS)


def test_all_together_are_one_page(parts):
    page = page_of_results(list(parts.values()), title="all")
    kinds = [block["kind"] for block in page.blocks]
    # The machine is the same: it is shown once.
    assert kinds.count("machine") == 1
    # Bars of desktops and phones, one line over time, points for each of two datasets, three
    # profiles.
    assert kinds.count("plot") == 2 + 1 + 2 + 3
    assert kinds.count("crops") == 2
    html = page.html()
    assert "no difference shown" in html
    assert "gate no-clip-ops" in html and "passed" in html
    for row in parts["latency"]["results"]:
        assert row["sha256"][:12] in html


@pytest.mark.parametrize("uri", ["http://a.example/x.png", 'data:image/png;base64,"><b>', 3, ""])
def test_pictures_from_elsewhere_are_refused(uri, parts):
    part = copy.deepcopy(parts["quality"])
    part["crops"][0]["files"][0]["picture"] = uri
    with pytest.raises(OptionError, match="no PNG"):
        page_of_results([part], title="t")


def test_infinite_psnr_comes_back_as_a_gap(parts, undrawn):
    part = copy.deepcopy(parts["quality"])
    part["results"][0]["psnr_rgb_db"] = None
    assert ">-<" in page_of_results([part, parts["latency"]], title="t").html()


@pytest.mark.parametrize(
    "other",
    [
        None,
        3,
        "text",
        [],
        {},
        {"results": []},
        {"results": 3},
        {"results": [3]},
        {"results": [{}]},
        {"speedup": 1.0},
        {"results": {"median_ms": 1}},
    ],
)
def test_other_data_is_of_no_kind(other, tmp_path):
    assert kind_of_results(other) is None
    path = tmp_path / "other.json"
    path.write_text(json.dumps(other))
    with pytest.raises(OptionError, match="found other data"):
        read_results(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"no json", b"\xff\xfe\x00", b"\x89PNG\r\n", b"[" * 200_000, b"{}{}"],
    ids=["empty", "open", "text", "utf16", "png", "deep", "two"],
)
def test_garbage_is_refused_in_one_line(content, tmp_path):
    path = tmp_path / "garbage.json"
    path.write_bytes(content)
    with pytest.raises(OptionError, match="expected JSON in") as caught:
        read_results(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_missing_files_and_folders_are_refused(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(OptionError, match="expected a file of results"):
            read_results(path)


def without(part, *path):
    part = copy.deepcopy(part)
    inner = part
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return part


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("latency", ("results", 0, "p5_ms")),
        ("latency", ("results", 1, "model")),
        ("quality", ("results", 0, "protocol")),
        ("compare", ("verdict",)),
        ("compare", ("baseline", "model")),
        ("compare", ("quality",)),
        ("latency", ("results", 0, "profile", 0, "inside")),
        ("latency", ("trend", 0, "entries")),
        ("quality", ("crops", 0, "truth")),
        ("android", ("results", 0, "placement")),
        ("android", ("quality", 0, "protocol")),
    ],
)
def test_results_of_another_version_are_refused(kind, path, parts, undrawn):
    with pytest.raises(OptionError, match="measure again"):
        page_of_results([without(parts[kind], *path)], title="t")


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("latency", {"machine": ["a", "list"]}),
        ("latency", {"machine": "text"}),
        ("latency", {"machine": {"versions": [1]}}),
        ("latency", {"machine": {"cpu_features": 3}}),
        ("compare", {"gates": ["a", "list"]}),
        ("compare", {"gates": None}),
        ("compare", {"baseline": "text"}),
        ("compare", {"quality": 3}),
        ("compare", {"p_value": {"a": 1}, "speedup_low": "x"}),
        ("latency", {"trend": 3}),
        ("latency", {"trend": ["text"]}),
        ("quality", {"crops": [1]}),
        ("android", {"failures": 3}),
        ("android", {"results": ["text"]}),
    ],
)
def test_values_of_another_type_are_refused(kind, changes, parts, undrawn):
    with pytest.raises(OptionError, match="measure again"):
        page_of_results([{**parts[kind], **changes}], title="t")


@pytest.mark.parametrize("value", [None, "text", [1], float("nan")])
def test_medians_that_are_no_durations_are_refused(value, parts, undrawn):
    part = copy.deepcopy(parts["latency"])
    part["results"][0]["median_ms"] = value
    with pytest.raises(OptionError, match="measure again"):
        page_of_results([part], title="t")


def test_a_section_is_one_decorated_function(parts, undrawn, monkeypatch):
    monkeypatch.setattr(gathered, "_SECTIONS", dict(gathered._SECTIONS))

    @gathered.section(15, "timed")
    def add_count(page, rows):
        page.add_heading(f"{len(rows)} rows")

    page = page_of_results([parts["compare"]], title="t")
    headings = [block["text"] for block in page.blocks if block["kind"] == "heading"]
    assert headings == ["Candidate against baseline", "2 rows", "Latency", "Quality"]
    with pytest.raises(ValueError, match="free place"):
        gathered.section(15)(add_count)
