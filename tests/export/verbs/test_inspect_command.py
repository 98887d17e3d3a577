import json

import numpy as np
import onnx
import pytest
import tensorflow as tf
import tf_keras

from export.cli import app
from sr_models.ground.console import status_of_command
from tests.float_files import FloatFile
from tests.onnx_files import Graph
from tests.strangers import stranger
from tests.tiny_files import clipped_file, pixel_grid


def run(*arguments):
    return status_of_command(app, ("inspect", *arguments))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "deep").mkdir()
    (folder / "clipped.tflite").write_bytes(clipped_file("MINIMUM", "RELU", "DEPTH_TO_SPACE"))
    (folder / "deep" / "free.tflite").write_bytes(
        clipped_file("DEPTH_TO_SPACE", before=pixel_grid())
    )
    (folder / "notes.txt").write_text("no model")
    return folder


def test_one_file_is_told_at_length(folder, capsys):
    assert run(folder / "clipped.tflite") == 0
    told = capsys.readouterr().out
    assert "1 MINIMUM 4x6x12" in told and "2/4 operators in 2 part(s)" in told
    assert "clip: MINIMUM and RELU" in told and "impact:" in told and "sr-export strip" in told


def test_a_good_file_has_no_findings(folder, capsys):
    assert run(folder / "deep" / "free.tflite", "--fail-on", "any") == 0
    assert "no findings" in capsys.readouterr().out


def test_a_folder_is_a_table(folder, capsys):
    assert run(folder, "--json", "-") == 0
    data = json.loads(capsys.readouterr().out)
    assert [len(found["findings"]) for found in data.values()] == [2, 0]
    assert run(folder) == 0
    told = capsys.readouterr().out
    assert "clip, partitions" in told and "none" in told and "notes.txt" not in told


@pytest.mark.parametrize(
    ("gate", "status"), [("clip", 1), ("float,partitions", 1), ("float,contract", 0), ("any", 1)]
)
def test_findings_are_gates(gate, status, folder, capsys):
    assert run(folder, "--fail-on", gate, "--json", "-") == status
    errors = capsys.readouterr().err
    assert ("clipped.tflite" in errors) == bool(status) and "free.tflite" not in errors


def test_xnnpack_is_not_asked_where_nobody_wants_it(folder, capsys):
    assert run(folder / "clipped.tflite", "--no-run", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["delegation"] is None


def test_a_damaged_file_among_others_does_not_hide_them(folder, tmp_path, capsys):
    bad = tmp_path / "bad.tflite"
    bad.write_bytes((folder / "clipped.tflite").read_bytes()[:100])
    assert run(bad, folder / "clipped.tflite", "--json", "-") == 2
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert "error" in data[str(bad)] and data[str(folder / "clipped.tflite")]["findings"]
    assert [line for line in captured.err.splitlines() if "bad.tflite" in line]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fail-on", "magic"), "magic"),
        (("none.tflite",), "none.tflite"),
        (("empty",), "expected .tflite files in empty"),
    ],
)
def test_a_mistake_is_one_line(arguments, said, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    files = () if not arguments[0].startswith("--") else (folder / "clipped.tflite",)
    assert run(*files, *arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and said in lines[0]


def test_float_files_and_onnx_files_say_whether_they_can_be_exported(tmp_path, capsys):
    for name, clipped in (("free", False), ("clipped", True)):
        file = FloatFile()
        y = file.larger(file.conv(file.picture, 12))
        content = file.content(file.same("RELU_0_TO_1", y) if clipped else file.same("SOFTMAX", y))
        (tmp_path / f"{name}.tflite").write_bytes(content)
    graph = Graph()
    y = graph.node("Softmax", graph.node("Elu", graph.conv("input", 3, 3)))
    onnx.save(graph.model(y), tmp_path / "net.onnx")
    files = [tmp_path / name for name in ("free.tflite", "clipped.tflite", "net.onnx")]
    assert run(*files, "--no-run", "--json", "-") == 0
    found = [data["as_source"] for data in json.loads(capsys.readouterr().out).values()]
    assert found[0]["operators_in_the_way"] == ["SOFTMAX"] and not found[0]["taken"]
    assert "take a network without attention" in found[0]["reason"]
    assert (found[1]["taken"], found[1]["scale"], found[1]["channels"]) == (True, 2, 3)
    assert found[1]["removed_clips"] == ["layer_2"] and found[1]["pixels_out"] == [0.0, 1.0]
    assert found[2]["operators_in_the_way"] == ["Elu", "Softmax"] and not found[2]["taken"]
    assert run(tmp_path / "net.onnx") == 0
    told = capsys.readouterr().out
    assert "no: Elu, Softmax in the way" in told and "1 Conv" in told and "opset 17" in told


def _soft(x):
    y = tf.nn.elu(tf.nn.conv2d(x, np.ones((3, 3, 3, 12), np.float32), 1, "SAME"))
    return tf.nn.depth_to_space(tf.linalg.matmul(y, y, transpose_b=True)[..., :12], 2)


def test_networks_of_tensorflow_and_keras_say_whether_they_can_be_exported(tmp_path, capsys):
    network = stranger()
    network.save(tmp_path / "net.keras")
    x = tf_keras.Input((12, 12, 3))
    y = tf_keras.layers.UnitNormalization()(tf_keras.layers.LayerNormalization()(x))
    tf_keras.Model(x, tf_keras.layers.UpSampling2D(2)(y)).save(tmp_path / "net.h5")
    module = tf.Module()
    spec = tf.TensorSpec((1, 12, 12, 3), tf.float32, name="input")
    module.serve = tf.function(_soft, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path / "saved"))
    graph = module.serve.get_concrete_function().graph.as_graph_def()
    (tmp_path / "net.pb").write_bytes(graph.SerializeToString())
    names = ("net.keras", "net.h5", "saved", "net.pb")
    assert run(*(tmp_path / name for name in names), "--json", "-") == 0
    found = list(json.loads(capsys.readouterr().out).values())
    told = [one["as_source"] for one in found]
    kinds = ["Keras file", "Keras file", "SavedModel", "frozen graph"]
    assert [one["kind"] for one in found] == kinds
    assert (told[0]["taken"], told[0]["scale"], told[0]["channels"]) == (True, 2, 3)
    assert told[1]["operators_in_the_way"] == ["LayerNormalization", "UnitNormalization"]
    for one in told[2:]:
        assert {"Elu", "attention"} <= set(one["operators_in_the_way"]), one
    assert all(one["sha256"] for one in (found[0], found[3])) and found[2]["sha256"] is None
    assert run(tmp_path / "net.h5") == 0
    told = capsys.readouterr().out
    assert "no: LayerNormalization, UnitNormalization in the way" in told and "Keras file" in told


@pytest.mark.parametrize(("name", "said"), [("a.pb", "frozen graph"), ("a.keras", "a Keras file")])
def test_damaged_and_missing_networks_are_one_line(name, said, tmp_path, capsys):
    assert run(tmp_path / name) == 2 and "found no such file" in capsys.readouterr().err
    (tmp_path / name).write_bytes(b"\x0a\xffno network")
    assert run(tmp_path / name) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and said in lines[0]


def test_a_chip_says_which_operators_it_takes(folder, capsys):
    assert run(folder / "clipped.tflite", "--no-run", "--target", "samsung", "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    refused = [op for op in found["vendor"]["operators"] if op["taken"] is False]
    assert [op["op"] for op in refused] == ["DEPTH_TO_SPACE"] and not found["vendor"]["whole"]
    assert "create_model.cc at 1ade56915d" in refused[0]["source"] and found["work"]
    assert run(folder / "clipped.tflite", "--no-run", "--target", "samsung") == 0
    told = capsys.readouterr().out
    assert "not on its list" in told and "note: The plugin selects every operator" in told
    assert run(folder, "--no-run", "--target", "mediatek") == 0
    assert "not: DEPTH_TO_SPACE" in capsys.readouterr().out


def test_integer_files_say_nothing_of_sources(folder, capsys):
    assert run(folder / "clipped.tflite", "--no-run", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["as_source"] is None


def test_a_damaged_onnx_file_is_one_line(tmp_path, capsys):
    (tmp_path / "net.onnx").write_bytes(b"\x08\x08no network")
    assert run(tmp_path / "net.onnx") == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "expected a whole ONNX file" in lines[0]


def test_an_integer_file_is_inspected_without_tensorflow(tmp_path, run_python):
    """Its import takes five times as long as the inspection, and writes notes of its own."""
    path = tmp_path / "net.tflite"
    path.write_bytes(clipped_file("RELU"))
    code = (
        "import sys\nfrom contextlib import suppress\nfrom export.cli import main\n"
        f"sys.argv = ['sr-export', 'inspect', {str(path)!r}, '--target', 'samsung']\n"
        "with suppress(SystemExit):\n    main()\n"
        "print('loaded' if 'tensorflow' in sys.modules else 'without')\n"
    )
    result = run_python(code)
    assert result.stdout.splitlines()[-1] == "without"
    assert "port.cc" not in result.stderr
