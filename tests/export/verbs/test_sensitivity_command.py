import json
import math

import pytest

from export import cli
from export.precision.sensitivity import LayerSensitivity
from export.verbs.sensitivity import COLUMNS, table_rows
from sr_models.ground.console import status_of_command


def run(*arguments):
    return status_of_command(cli.app, tuple(map(str, ("sensitivity", *arguments))))


@pytest.mark.slow
def test_what_each_layer_costs_is_printed_and_drawn(picture_folder, capsys, tmp_path):
    plot = tmp_path / "layers.svg"
    status = run(
        "xlsr_x3",
        "--images",
        picture_folder,
        "--pictures",
        "4",
        "--tile-side",
        "32",
        "--plot",
        plot,
        "--json",
        "-",
    )
    shown = capsys.readouterr()
    data = json.loads(shown.out)
    assert status == 0 and data["protocol"] in shown.err and "simulated" in data["protocol"]
    layers = {row["layer"]: row for row in data["layers"]}
    # Where the loss of this network lies: its last layers, not its body.
    assert layers["last_relu"]["both_db"] < layers["block0_conv3"]["both_db"] - 10.0
    assert sum(row["share"] for row in layers.values()) == pytest.approx(1.0)
    assert "last_relu" in plot.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("xslr_x3",), "xlsr_x3"),
        (("xlsr_x3", "--method", "magic"), "magic"),
        (("xlsr_x3", "--tail", "clip"), "clip"),
        (("xlsr_x3", "--plot", "plot.jpg"), "plot.jpg"),
        (("xlsr_x3", "--plot", "setup.cfg/plot.svg"), "setup.cfg"),
        (("xlsr_x3", "--pictures", "0"), "at least 1 calibration picture"),
        (("xlsr_x3", "--tile-side", "8"), "16..1024 pixels, found 8"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(arguments, said, capsys):
    assert run(*arguments) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    assert said in line


def test_rank_one_costs_most():
    rows = [
        LayerSensitivity("first", "Conv2D", 60.0, 55.0, 54.0, 0.25),
        LayerSensitivity("joined", "Concatenate", math.inf, 48.13, 48.13, 0.75),
    ]
    cells = table_rows(rows)
    assert cells[0] == ["first", "Conv2D", "60.00", "55.00", "54.00", "25.0 %", "2"]
    assert cells[1] == ["joined", "Concatenate", "-", "48.13", "48.13", "75.0 %", "1"]
    assert {len(row) for row in cells} == {len(COLUMNS)}
