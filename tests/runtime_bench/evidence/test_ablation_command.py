import json

import pytest

from runtime_bench.evidence.ablation import (
    COLUMNS,
    AblationRow,
    CalibrationChoice,
    ablation,
    table_row,
)
from sr_models.ground.console import new_app, status_of_command

APP = new_app("for tests")
APP.command()(ablation)


def run(*arguments):
    return status_of_command(APP, arguments)


@pytest.mark.slow
def test_the_choice_asked_for_is_varied(picture_folder, capsys):
    status = run(
        "quicksrnet_s_x2",
        "--images",
        picture_folder,
        "--pictures",
        "4",
        "--vary",
        "anchors",
        "--json",
        "-",
    )
    assert status == 0
    shown = capsys.readouterr()
    data = json.loads(shown.out)
    assert [row["varied"] for row in data["rows"]] == ["", "anchors"]
    assert [row["choice"]["pictures"] for row in data["rows"]] == [4, 4]
    assert data["rows"][0]["contract"]["holds"]
    assert "simulated" in data["protocol"] and data["protocol"] in shown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("xslr_x3",), "xlsr_x3"),
        (("xlsr_x3", "--vary", "weather"), "weather"),
        (("xlsr_x3", "--tail", "clip"), "clip"),
        (("xlsr_x3", "--images", "nowhere"), "nowhere"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(arguments, said, capsys):
    assert run(*arguments) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    assert said in line


def test_a_row_without_a_set_says_why():
    cells = table_row(
        AblationRow("taming", CalibrationChoice(taming="select"), failure="nothing fits")
    )
    assert cells[:3] == ["taming", "select", "nothing fits"] and len(cells) == len(COLUMNS)
