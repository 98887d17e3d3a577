import json
from inspect import signature

import onnx
import pytest

from export.cli import app
from export.exporting.settings import CHOICES, DEFAULTS, ExportSettings
from export.quantizing.defaults import DEFAULT_RECIPE
from export.verbs.model import model, overruled
from sr_models.ground.console import status_of_command
from sr_models.ground.sizes import DYNAMIC, Size
from sr_models.tflite.flatbuffer import read_graph
from tests.float_files import FloatFile, spelled
from tests.onnx_files import stranger_file
from tests.tiny_files import clipped_file


def test_what_help_says_is_what_is_done_where_nothing_is_asked():
    renamed = {"kept": "keep", "most_sensitive": "keep_most_sensitive", "sizes": "size"}
    renamed |= {"kept_precision": "keep_precision", "made_for": "target", "target": "taming_target"}
    shown = {name: option.default for name, option in signature(model).parameters.items()}
    for choice, group in CHOICES.items():
        default = getattr(getattr(DEFAULTS, group), choice)
        found = shown[renamed.get(choice, choice)]
        if choice == "method":
            assert found == DEFAULT_RECIPE == DEFAULTS.quantizing.recipe
        elif found is None:
            assert choice == "sizes" or default in ((), None)
        else:
            assert found == default, choice


@pytest.mark.parametrize(
    ("before", "options", "after"),
    [
        ({}, {"io": "int8"}, {"io": "int8"}),
        ({"sizes": (DYNAMIC,)}, {"size": (Size(3, 4),)}, {"sizes": (Size(3, 4),)}),
        ({"tail": "none"}, {"size": (Size(3, 4),)}, {"tail": "none", "sizes": (Size(3, 4),)}),
        ({"precision": "mixed", "kept": ("mix",)}, {"precision": "int8"}, {}),
        (
            {"precision": "mixed", "kept": ("mix",)},
            {"keep_most_sensitive": 2},
            {"precision": "mixed", "most_sensitive": 2},
        ),
        (
            {"precision": "mixed", "most_sensitive": 2},
            {"keep": ("mix",), "keep_precision": "int16x8"},
            {"precision": "mixed", "kept": ("mix",), "kept_precision": "int16x8"},
        ),
    ],
)
def test_an_option_overrules_what_is_saved(before, options, after):
    assert overruled(ExportSettings(**before), options) == ExportSettings(**after)


@pytest.mark.parametrize("damage", ["cut", "no output", "circle"])
def test_a_bad_onnx_file_is_refused_in_one_line_and_nothing_is_written(damage, tmp_path, capfd):
    source, out, network = tmp_path / "net.onnx", tmp_path / "phone", stranger_file()
    if damage == "no output":
        del network.graph.output[:]
    if damage == "circle":
        network.graph.node[0].input[0] = network.graph.node[1].output[0]
    onnx.save(network, source)
    if damage == "cut":
        source.write_bytes(source.read_bytes()[:-50])
    arguments = ["model", str(source), "--out", str(out)]
    assert status_of_command(app, arguments) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "expected" in lines[0] and not out.exists()


@pytest.mark.parametrize("damage", ["cut", "integers"])
def test_a_bad_tflite_file_is_refused_in_one_line_and_nothing_is_written(damage, tmp_path, capfd):
    source, out = tmp_path / "net.tflite", tmp_path / "phone"
    content = clipped_file("DEPTH_TO_SPACE") if damage == "integers" else spelled("activations")
    source.write_bytes(content[:-50] if damage == "cut" else content)
    assert status_of_command(app, ["model", str(source), "--out", str(out)]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    said = "or give --dequantize" if damage == "integers" else "a whole .tflite file"
    assert len(lines) == 1 and said in lines[0] and not out.exists()


def test_a_tflite_file_becomes_a_file_on_pixels_without_its_clip(tmp_path, picture_folder, capsys):
    source, out = tmp_path / "net.tflite", tmp_path / "phone"
    file = FloatFile((1, 24, 32, 3))
    y = file.conv(file.picture, 12, activation="RELU6")
    source.write_bytes(file.content(file.same("RELU_0_TO_1", file.larger(file.conv(y, 12)))))
    options = ["--method", "natural", "--pictures", "4", "--tile-side", "24", "--size", "24x24"]
    options += ["--images", str(picture_folder), "--tail", "none", "--minimum-fidelity-db", "0"]
    assert status_of_command(app, ["model", str(source), "--out", str(out), *options]) == 0
    assert "removed the output clip" in capsys.readouterr().err
    made = read_graph(out / "model.tflite")
    assert {"RELU_0_TO_1", "MINIMUM", "MAXIMUM"}.isdisjoint(op.name for op in made.operators)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["network"]["origin"]["kind"] == "TFLite"
    assert manifest["network"]["origin"]["check"]["largest_difference_of_255"] < 0.1
