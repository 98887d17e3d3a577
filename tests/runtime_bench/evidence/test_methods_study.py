import json

import pytest

from runtime_bench.cli import app
from runtime_bench.evidence import methods_table
from runtime_bench.evidence.methods import parse_bits
from runtime_bench.evidence.methods_report import MethodResult
from sr_models.ground.console import status_of_command
from sr_models.ground.errors import OptionError


@pytest.mark.parametrize(
    ("text", "bits"), [("4,6,8", [4, 6, 8]), (" 8 , 4,8", [4, 8]), ("16", [16])]
)
def test_widths_are_read_in_order_and_each_once(text, bits):
    assert parse_bits(text) == bits


@pytest.mark.parametrize("text", ["", "4,,8", "four", "-4", "4.5", "1", "17", "8,32"])
def test_other_widths_are_refused(text):
    with pytest.raises(OptionError, match=r"expected (widths|a whole number of bits)"):
        parse_bits(text)


@pytest.fixture
def call(capsys):
    def call(*arguments):
        return status_of_command(app, ["methods", *arguments]), *capsys.readouterr()

    return call


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--bits", "1"], "2 to 16"),
        (["--bits", "8,17"], "2 to 16"),
        (["--method", "magic"], "found 'magic'"),
        (["--steps", "5"], "--train DIR with --steps"),
        (["--learned", "absent.weights.h5"], "expected alphas beside the weights"),
        (["--images", "absent"], "no such path"),
        (["--images", "EMPTY"], "found none; give a folder that holds pictures"),
        (["--data", "EMPTY"], "found none; give a folder that holds pictures"),
        (["--recipe", "paper"], "expected a recipe of default, published, found 'paper'"),
        (["--patches", "0"], "at least 1 calibration picture, found 0"),
        (
            ["--output", "1"],
            "expected --output with a frozen graph, a SavedModel folder",
        ),
    ],
)
def test_bad_input_is_one_line(arguments, part, call, picture_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    given = [str(tmp_path / "empty") if part == "EMPTY" else part for part in arguments]
    kept = ["--run-dir", str(tmp_path / "run"), "--json", str(tmp_path / "rows.json")]
    status, out, err = call("xlsr_x3", "--data", str(picture_folder), *kept, *given)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert part in err
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_the_result_is_a_table_json_and_a_page(call, picture_folder, monkeypatch, tmp_path):
    made = [
        MethodResult("float", None, None, True, {"crops": 33.0}),
        MethodResult("dfsq", 4, 16, False, {"crops": 32.0}, seconds=1.0),
    ]
    asked = {}

    def measure(name, **keywords):
        asked.update(keywords, name=name)
        return made

    monkeypatch.setattr(methods_table, "measure_methods", measure)
    page = tmp_path / "methods.html"
    status, out, err = call(
        "xlsr_x3",
        "--data",
        str(picture_folder),
        "--bits",
        "4",
        "--out",
        str(page),
        "--json",
        "-",
        "--train",
        "pictures",
        "--steps",
        "7",
    )
    assert status == 0, err
    data = json.loads(out)
    assert [row["method"] for row in data["results"]] == ["float", "dfsq"]
    assert data["machine"]["cores"] > 0
    assert "dfsq 32.00 dB at 4" in page.read_text()
    assert asked["bits"] == [4] and asked["training"].changes == {"steps": 7}
    status, out, _ = call("xlsr_x3", "--data", str(picture_folder), "--bits", "4")
    assert status == 0 and "dfsq" in out and "simulated crops dB" in out


def test_layers_are_printed_and_written(capsys, monkeypatch):
    from runtime_bench.evidence import layers as layer_costs
    from runtime_bench.evidence.layers import LayerCost

    made = [LayerCost("int8", 1.25, 2000, 0.18, 1.0), LayerCost("dual", 2.5, 4000, 0.044, None)]
    asked = {}

    def measure(**keywords):
        asked.update(keywords)
        return made

    monkeypatch.setattr(layer_costs, "measure_layers", measure)
    assert status_of_command(app, ["evidence", "layers", "--channels", "8"]) == 0
    out = capsys.readouterr().out
    assert "18.000" in out and "?" in out and asked["channels"] == 8
    assert status_of_command(app, ["evidence", "layers", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["relative_error"] == 0.18
