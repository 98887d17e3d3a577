"""A page of every kind of result in a real browser: what it shows, and whom it asks."""

import json
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest
from PIL import Image

from runtime_bench.pages.results import page_of_results

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
WIDTH = 1280
# Tells where the browser put each picture, once all of them are there, and what it was asked for.
LOOK = """<script>
addEventListener("load", () => {
  const found = [...document.images].map(image => {
    const box = image.getBoundingClientRect();
    return {alt: image.alt, complete: image.complete, natural: image.naturalWidth,
            left: box.left, top: box.top + scrollY, width: box.width, height: box.height};
  });
  document.body.setAttribute("data-found", JSON.stringify(
    {images: found, height: document.documentElement.scrollHeight,
     width: document.documentElement.scrollWidth,
     asked: performance.getEntriesByType("resource").map(entry => entry.name)}));
});
</script>"""
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BROWSER, reason="chromium is not installed (apt install chromium)"),
]


@pytest.fixture
def browse(tmp_path):
    """Run the browser on a file, on a machine whose network has no names; what it prints."""

    def run(page, *arguments, height=1000):
        return subprocess.run(
            [
                BROWSER,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-default-apps",
                "--disable-domain-reliability",
                "--disable-quic",
                "--disable-extensions",
                "--hide-scrollbars",
                "--host-resolver-rules=MAP * ~NOTFOUND",
                f"--user-data-dir={tmp_path / 'browser'}",
                f"--window-size={WIDTH},{height}",
                *arguments,
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
            cwd=tmp_path,
        ).stdout

    return run


def look(browse, path):
    """What a page's copy tells that may run the script above, and may ask whom it likes."""
    text = POLICY.sub("", path.read_text(encoding="utf-8"))
    copy = path.with_name("copy.html")
    copy.write_text(text.replace("</body>", f"{LOOK}</body>"), encoding="utf-8")
    dom = browse(copy, "--dump-dom")
    return json.loads(unescape(re.search(r'data-found="([^"]*)"', dom)[1]))


def test_everything_is_drawn_and_nobody_is_asked(result_parts, browse, tmp_path):
    path = page_of_results(list(result_parts.values()), title="All").save(tmp_path / "page.html")
    assert len(POLICY.findall(path.read_text(encoding="utf-8"))) == 1
    found = look(browse, path)
    assert [name for name in found["asked"] if not name.startswith("data:")] == []
    images = found["images"]
    # Eight plots; two crops with the truth, two files and two differences.
    assert len(images) == 8 + 2 * 5
    assert all(image["complete"] and image["natural"] > 0 for image in images)
    # The page itself never scrolls sideways.
    assert found["width"] <= WIDTH
    shot = tmp_path / "page.png"
    browse(path, f"--screenshot={shot}", height=found["height"])
    with Image.open(shot) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    for image in images:
        left, top, width, height = (round(image[k]) for k in ("left", "top", "width", "height"))
        assert width > 100 and height > 100, image["alt"]
        cut = pixels[top : top + height, left : left + min(width, WIDTH - left)]
        colours, counts = np.unique(cut.reshape(-1, 3), axis=0, return_counts=True)
        # A place where nothing is drawn has one colour; a missing picture little beside it.
        assert len(colours) >= 8 and counts.max() < 0.97 * counts.sum(), image["alt"]


def test_a_page_that_asks_would_be_seen(browse, tmp_path):
    page = tmp_path / "asking.html"
    source = "http://somewhere.example/picture.png"
    page.write_text(f'<body><img src="{source}" alt="a picture"></body>')
    found = look(browse, page)
    assert found["asked"] == [source] and found["images"][0]["natural"] == 0
