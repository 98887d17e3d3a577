import json

import pytest

from runtime_bench.evidence.shaping import shaping
from sr_models.ground.console import new_app, status_of_command

APP = new_app("for tests")
APP.command()(shaping)


def run(*arguments):
    return status_of_command(APP, arguments)


def test_the_studies_of_shaping_load_nothing_heavy(run_python):
    code = """
import sys
from runtime_bench.evidence import ablation, shaping
heavy = {"tensorflow", "tf_keras", "skimage", "scipy"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_few_pictures_fail_the_gate_for_they_share_one_search(picture_folder, capsys):
    status = run(
        "quicksrnet_s_x2",
        "--images",
        picture_folder,
        "--pictures",
        "4",
        "--tile-side",
        "24",
        "--rounds",
        "1",
        "--json",
        "-",
    )
    shown = capsys.readouterr()
    data = json.loads(shown.out)
    assert status == 1 and "max-passes-per-picture 15" in shown.err
    assert data["passes_per_picture"] > 15
    assert data["passes_per_picture"] == pytest.approx(
        data["shaping_passes_per_picture"] + data["judging_passes_per_picture"]
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("xslr_x3",), "xlsr_x3"),
        (("xlsr_x3", "--rounds", "0"), "at least 1 round"),
        (("xlsr_x3", "--pictures", "0"), "at least 1 calibration picture"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(arguments, said, capsys):
    assert run(*arguments) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    assert said in line
