import re

QUICK = ("--runs", 5, "--warmup", 0)


def test_a_page_is_made_from_what_the_others_wrote(files, ground_truth, tmp_path, call):
    latency, quality, compare = (tmp_path / f"{n}.json" for n in ("latency", "quality", "compare"))
    assert call("latency", files.clipped, files.clip_free, *QUICK, "--json", latency)[0] == 0
    assert call("quality", files.clip_free, "--data", ground_truth, "--json", quality)[0] == 0
    assert call("compare", files.clipped, files.clip_free, *QUICK, "--json", compare)[0] == 0
    page = tmp_path / "page.html"
    status, out, err = call(
        "report", latency, quality, compare, "--out", page, "--title", "A <b>title</b>"
    )
    assert (status, out) == (0, "") and f"wrote {page}" in err
    text = page.read_text(encoding="utf-8")
    assert "A &lt;b&gt;title&lt;/b&gt;" in text
    sources = re.findall(r"""(?:src|href)=["']([^"']*)""", text)
    assert sources and all(source.startswith("data:image/") for source in sources)
