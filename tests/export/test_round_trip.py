"""From files of strangers through the whole export, by the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from export.cli import app
from export.exporting.job import run_export
from export.exporting.settings import ExportSettings
from export.running.interpreters import open_model
from sr_models.ground.console import status_of_command
from sr_models.ground.metrics import luma_pixels
from sr_models.ground.pictures import to_pixels
from sr_models.ground.sizes import Size
from sr_models.networks.network import load_model
from sr_models.tflite.flatbuffer import read_graph
from tests.strangers import stranger

CHOICES = ("--pictures", 10, "--tile-side", 24, "--no-anchors")
PHOTOGRAPH = np.s_[40:64, 30:62]


def run(*arguments):
    return status_of_command(app, arguments)


def clipped(low, high):
    return lambda y: tf.clip_by_value(y, low, high)


def hold_against(content, model, picture, *, black, white):
    """Codes of the file against the stranger's network as it was given, with its clip."""
    runner = open_model(content, delegate="builtin")
    runner.resize(*picture.shape[:2])
    given = picture[None] / np.float32(255.0) * (white - black) + black
    expected = to_pixels((model(given).numpy()[0] - black) / (white - black))
    difference = np.abs(runner.run(picture[None])[0].astype(int) - expected)
    assert difference.max() <= 4 and difference.mean() < 0.6


@pytest.mark.slow
def test_a_keras_file_of_bytes_at_several_sizes_and_a_dynamic_one(
    photographs, picture_folder, tmp_path, capsys
):
    model = stranger(end=clipped(0.0, 255.0), unit=255.0)
    model.save(tmp_path / "theirs.h5")
    out = tmp_path / "out"
    sizes = ("--size", "20x32", "--size", "24x16", "--size", "dynamic")
    assert (
        run(
            "model",
            tmp_path / "theirs.h5",
            "--out",
            out,
            "--images",
            picture_folder,
            *CHOICES,
            *sizes,
            "--json",
            "-",
        )
        == 0
    )
    manifest = json.loads(capsys.readouterr().out)
    names = [entry["file"] for entry in manifest["files"]]
    assert names == ["model_20x32.tflite", "model_24x16.tflite", "model_dynamic.tflite"]
    assert sorted(p.name for p in out.iterdir()) == sorted([*names, "manifest.json"])
    assert [(e["height"], e["width"]) for e in manifest["files"]] == [
        (20, 32),
        (24, 16),
        (None, None),
    ]
    assert all(entry["accepted"] for entry in manifest["files"])
    origin = manifest["network"]["origin"]
    assert origin["pixels_in"] == [0.0, 255.0] and "removed the output clip" in origin["done"][0]
    assert origin["licence"] == "unknown, given by the user" and len(origin["sha256"]) == 64

    graphs = [read_graph(out / name) for name in names]
    grids = [
        sorted((t.dtype, t.scales, t.zero_point or 0) for t in graph.tensors if t.scales)
        for graph in graphs
    ]
    assert grids[0] == grids[1] == grids[2], "one quantization"
    picture = photographs["astronaut"][PHOTOGRAPH]
    dynamic = (out / "model_dynamic.tflite").read_bytes()
    hold_against(dynamic, model, picture, black=0.0, white=255.0)
    hold_against(dynamic, model, picture[:10, :14], black=0.0, white=255.0)


@pytest.mark.slow
def test_a_luma_network_becomes_a_luma_file(photographs, picture_folder, tmp_path, capsys):
    model = stranger(end=clipped(0.0, 1.0), channels=1, size=(20, 28))
    model.save(tmp_path / "luma.keras")
    assert (
        run(
            "model",
            tmp_path / "luma.keras",
            "--out",
            tmp_path / "out",
            "--images",
            picture_folder,
            *CHOICES,
            "--size",
            "20x32",
            "--max-drop-db",
            1,
            "--json",
            "-",
        )
        == 0
    )
    manifest = json.loads(capsys.readouterr().out)
    assert manifest["network"]["channels"] == 1 and len(manifest["files"]) == 1
    assert manifest["drop"]["psnr_rgb_drop_db"] is None
    (tensor,) = manifest["audit"]["inputs"]
    assert tensor["shape"] == [1, 20, 32, 1] and tensor["dtype"] == "uint8"
    picture = luma_pixels(photographs["coffee"][PHOTOGRAPH])
    free = stranger(end=clipped(0.0, 1.0), channels=1)
    hold_against((tmp_path / "out/model.tflite").read_bytes(), free, picture, black=0.0, white=1.0)


@pytest.mark.slow
def test_a_saved_model_of_negative_values(photographs, picture_folder, tmp_path, capsys):
    model = stranger(end=clipped(-1.0, 1.0), unit=2.0)
    model.save(tmp_path / "saved", save_format="tf")
    assert (
        run(
            "model",
            tmp_path / "saved",
            "--out",
            tmp_path / "out",
            "--images",
            picture_folder,
            *CHOICES,
            "--size",
            "20x32",
            "--json",
            "-",
        )
        == 0
    )
    manifest = json.loads(capsys.readouterr().out)
    assert manifest["network"]["origin"]["pixels_in"] == [-1.0, 1.0]
    assert manifest["audit"]["pixel_contract"]["holds"]
    content = (tmp_path / "out/model.tflite").read_bytes()
    picture = photographs["chelsea"][PHOTOGRAPH]
    hold_against(content, model, picture, black=-1.0, white=1.0)


@pytest.mark.slow
def test_a_preset_saved_with_its_clip_comes_back_as_itself(picture_folder, tmp_path):
    """The other way round the whole of this package, the same codes come out."""
    load_model("quicksrnet_s_x2", tail="clip").save(tmp_path / "saved.h5")
    settings = ExportSettings(
        sizes=(Size(20, 28),), pictures=8, tile_side=24, method="cfqp", anchors=False
    )
    preset, file = (
        run_export(str(source), settings, images=picture_folder)
        for source in ("quicksrnet_s_x2", tmp_path / "saved.h5")
    )
    hashes = [made.manifest["network"]["weights_sha256"] for made in (preset, file)]
    assert hashes[0] == hashes[1] and file.failures == []
    assert "removed the output clip" in file.manifest["network"]["origin"]["done"][0]
    picture = np.random.default_rng(0).integers(0, 256, (1, 20, 28, 3), np.uint8)
    codes = [open_model(made.content).run(picture) for made in (preset, file)]
    np.testing.assert_array_equal(*codes)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.keras",), "found no file none.keras"),
        (("empty",), "no saved_model.pb"),
        (("text.h5",), "another or damaged file"),
        (("file.tflite",), "found an empty one"),
        (("no_such_module_here:build",), "expected a module"),
        (("net.h5", "--size", "360"), "expected a size such as 360x640"),
        (("net.h5", "--pixels", "0..2"), "0..1, 0..255, -1..1"),
        (("net.h5", "--weights", "net.h5"), "expected --weights with a preset"),
        (("same.h5",), "1 to 8 times as large"),
        (("two.h5",), "expected one input, found 2"),
    ],
)
def test_every_mistake_is_one_line_and_leaves_nothing(arguments, said, files, tmp_path, capsys):
    place, *options = arguments
    place = str(files / place) if ":" not in place else place
    options = [str(files / o) if o.endswith(".h5") else o for o in options]
    assert run("model", place, "--out", tmp_path / "out", *options) == 2
    lines = [s for s in capsys.readouterr().err.splitlines() if s.startswith("error: ")]
    assert len(lines) == 1 and said in lines[0].replace(f"{files}/", "")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    import tf_keras

    folder = tmp_path_factory.mktemp("files")
    stranger().save(folder / "net.h5")
    stranger(end=lambda y: y[..., :2]).save(folder / "same.h5")
    ends = [tf_keras.Input((4, 4, 3)), tf_keras.Input((4, 4, 3))]
    tf_keras.Model(ends, tf_keras.layers.Add()(ends)).save(folder / "two.h5")
    (folder / "empty").mkdir()
    (folder / "text.h5").write_text("no network")
    (folder / "file.tflite").write_bytes(b"")
    return folder
