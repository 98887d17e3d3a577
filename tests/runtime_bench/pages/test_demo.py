import json
import re
from functools import partial

import pytest

from export.exporting.settings import ExportSettings
from runtime_bench.cli import app
from runtime_bench.pages.demo import variants
from sr_models.ground.console import status_of_command

pytestmark = pytest.mark.slow


FEW = {"pictures": 24, "tile_side": 48}
QUICK = "cfqp+relus+equalize+bias"
"""In the place of the default recipe, which `tests/export/test_cli.py` goes through."""


@pytest.fixture(scope="module")
def demo(picture_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runtime_bench.pages.demo.ExportSettings", partial(ExportSettings, **FEW))
        patch.setattr("export.exporting.settings.DEFAULT_RECIPE", QUICK)
        status = run_demo(out, picture_folder)
    assert status == 0
    return out, json.loads((out / "results.json").read_text())


def run_demo(out, pictures) -> int:
    return status_of_command(
        app,
        [
            "demo",
            "quicksrnet_s_x2",
            "--out",
            out,
            "--images",
            pictures,
            "--data",
            pictures,
            "--size",
            "24x32",
            "--runs",
            5,
        ],
    )


def test_every_variant_is_there_with_its_manifest(demo):
    out, results = demo
    assert [row["file"] for row in results["results"]] == [v.file for v in variants(24, 32)]
    for row in results["results"]:
        assert (out / row["file"]).is_file()
        manifest = json.loads((out / row["file"]).with_suffix(".json").read_text())
        assert manifest["model"]["sha256"] == row["audit"]["sha256"]


def test_the_files_are_what_the_table_says(demo):
    _, results = demo
    clipped, natural, pure, cfqp, cfqp_int8 = results["results"]
    assert [op["op"] for op in clipped["audit"]["clip_ops"]] == ["MINIMUM", "RELU"]
    for row in (natural, pure, cfqp, cfqp_int8):
        assert row["audit"]["clip_ops"] == []
    assert [row["audit"]["pixel_contract"]["holds"] for row in results["results"]] == [
        True,
        False,
        True,
        True,
        True,
    ]
    assert not natural["accepted"] and cfqp["accepted"] and pure["accepted"]
    assert cfqp_int8["audit"]["outputs"][0]["dtype"] == "int8"


def test_taming_repairs_what_natural_pictures_break(demo):
    _, results = demo
    clipped, natural, _, cfqp, cfqp_int8 = (
        row["quality"][0]["psnr_rgb_db"] for row in results["results"]
    )
    assert natural < clipped - 0.5
    assert cfqp > clipped - 0.05
    assert cfqp_int8 == pytest.approx(cfqp, abs=0.02)
    row = results["results"][3]["quality"][0]
    assert row["psnr_rgb_db"] == pytest.approx(row["dequantized_psnr_rgb_db"], abs=0.01)
    (float_db,) = results["float_psnr_rgb_db"].values()
    assert float_db > cfqp


def test_the_page_asks_no_network(demo):
    out, _ = demo
    page = (out / "report.html").read_text()
    sources = re.findall(r"""(?:src|href)=["']([^"']*)""", page)
    assert sources and all(source.startswith("data:") for source in sources)
    assert "url(http" not in page and "@import" not in page
    assert page.count("<img") >= 20


def test_an_existing_folder_is_refused(demo, capsys):
    out, _ = demo
    assert status_of_command(app, ["demo", "xlsr_x3", "--out", out]) == 2
    assert "--overwrite" in capsys.readouterr().err
