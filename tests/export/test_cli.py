import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from export.cli import app
from export.quantizing.defaults import DEFAULT_RECIPE
from sr_models.ground.console import status_of_command
from sr_models.networks.presets import get_preset
from sr_models.published import alternating


def run(*arguments):
    return status_of_command(app, arguments)


# A preset that takes half as long as XLSR.
QUICK = "quicksrnet_s_x2"
SMALL = ("--size", "12x16", "--pictures", 8, "--tile-side", 24)


@pytest.mark.slow
def test_a_model_is_exported_by_the_default_recipe_and_can_be_inspected(
    picture_folder, tmp_path, capsys
):
    out = tmp_path / "phone"
    common = ("--images", picture_folder, *SMALL, "--json", "-")
    assert run("model", QUICK, "--out", out, *common) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert manifest["accepted"] and manifest["ranges"]["method"] == DEFAULT_RECIPE
    assert run("model", QUICK, "--out", tmp_path / "plain", *common, "--method", "cfqp") == 0
    plain = json.loads(capsys.readouterr().out)
    assert manifest["fidelity"]["psnr_db"] > plain["fidelity"]["psnr_db"] + 1.0

    assert (
        run("inspect", out / "model.tflite", "--fail-on", "clip,contract,float", "--json", "-") == 0
    )
    audit = json.loads(capsys.readouterr().out)
    assert audit["full_integer"] and audit["pixel_contract"]["holds"]


@pytest.mark.slow
def test_an_export_by_the_settings_of_another_gives_its_bytes(picture_folder, tmp_path, capsys):
    first, again, other = (tmp_path / name for name in ("phone", "again", "other"))
    choices = ("--method", "natural+mse", "--target", "samsung", "--tail", "none", "--seed", 3)
    images = ("--images", picture_folder)
    assert run("model", QUICK, "--out", first, *images, *SMALL, *choices) == 0
    settings = ("--settings", first / "manifest.json")
    assert run("model", QUICK, "--out", again, *images, *settings) == 0
    told = capsys.readouterr()
    assert "for samsung: int8 codes, pixels by transpose_conv; takes all" in told.err
    assert "takes all" in told.out
    for name in ("model.tflite", "manifest.json"):
        assert (again / name).read_bytes() == (first / name).read_bytes()
    # An option overrules the file, also where it says what is the default elsewhere.
    options = ("--io", "uint8", "--size", "8x12", "--size", "12x8", "--json", "-")
    assert run("model", QUICK, "--out", other, *images, *settings, *options) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert [(file["height"], file["width"]) for file in manifest["files"]] == [(8, 12), (12, 8)]
    found = manifest["settings"]
    assert (found["io"], found["method"], found["seed"]) == ("uint8", "natural+mse", 3)
    assert all(file["kernels"] for file in manifest["files"])
    assert (found["made_for"], found["shuffle"]) == ("samsung", "transpose_conv")
    assert all("DEPTH_TO_SPACE" not in file["audit"]["ops"] for file in manifest["files"])
    assert [op["op"] for op in manifest["vendor"]["operators"] if op["taken"] is not True] == [
        "QUANTIZE",
        "QUANTIZE",
    ]


@pytest.mark.slow
def test_a_clipped_file_fails_the_gate(picture_folder, tmp_path, capsys):
    out = tmp_path / "twin"
    options = ("--tail", "clip", "--method", "natural", "--calibrator", "converter")
    assert run("model", QUICK, "--out", out, "--images", picture_folder, *SMALL, *options) == 0
    assert run("inspect", out / "model.tflite", "--fail-on", "clip") == 1
    assert "clip" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("model", "xslr_x3", "--out", "new"), "xlsr_x3"),
        (("model", "xlsr_x3", "--out", "new", "--size", "0x16"), "1..8192"),
        (("model", "xlsr_x3", "--out", "new", "--size", "tall"), "found 'tall'"),
        (("model", "xlsr_x3", "--out", "new", "--images", "nowhere"), "nowhere"),
        (("model", "xlsr_x3", "--out", "new", "--weights", "none.h5"), "none.h5"),
        (("model", "xlsr_x3", "--out", "new", "--images", "empty"), "found none; give a folder"),
        (
            ("model", "xlsr_x3", "--out", "new", "--precision", "mixed", "--keep", "mixx"),
            "found 'mixx'; did you mean mix",
        ),
        (("model", "xlsr_x3", "--out", "old"), "--overwrite"),
        (("model", "xlsr_x3", "--out", "new", "--run-dir", "old/text.tflite"), "a file stands"),
        (("model", "xlsr_x3", "--out", "old/text.tflite", "--overwrite"), "found a file at"),
        (("model", "xlsr_x3", "--out", "old", "--overwrite"), "found text.tflite in old"),
        (("model", "xlsr_x3", "--out", "new", "--settings", "none.json"), "none.json (No such"),
        (("model", "xlsr_x3", "--out", "new", "--settings", "old/text.tflite"), "JSONDecodeError"),
        (("model", "xlsr_x3"), "--out"),
        (("model", "xlsr_x3", "--out", "new", "--target", "amiga"), "ethos-u, xnnpack, found"),
        (("model", "xlsr_x3", "--out", "new", "--target", "set"), "give --taming-target set"),
        (("model", "xlsr_x3", "--out", "new", "--shuffle", "cards"), "found 'cards'"),
        (("bundle", "xlsr_x3", "--out", "new", "--shuffle", "auto"), "give --target or a shuffle"),
        (
            ("model", "xlsr_x3", "--out", "new", "--shuffle", "resize_mask", "--size", "dynamic"),
            "expected fixed sizes with the shuffle resize_mask",
        ),
        (
            ("model", "xlsr_x3", "--out", "new", "--target", "intel", "--precision", "float32"),
            "expected the precision int8 with --target intel",
        ),
        (("inspect", "none.tflite", "--target", "amiga"), "arm64-dotprod"),
        (("inspect", "none.tflite"), "none.tflite"),
        (("inspect", "old/text.tflite"), "TFL3"),
        (("inspect", "old/text.tflite", "--fail-on", "magic"), "magic"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "old" / "text.tflite").write_text("this is no model")
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and said in lines[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "old"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ((), "found the shipped ones; make some with sr-models train NAME --quantize pams"),
        (("--weights", "plain.weights.h5"), "found no file plain.quantization.json"),
    ],
)
def test_pams_without_what_was_learned_is_one_line(
    weights, said, picture_folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(get_preset(QUICK).weights_path, "plain.weights.h5")
    options = ("--method", "pams", "--images", picture_folder, *SMALL, *weights)
    assert run("model", QUICK, "--out", "new", *options) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert (captured.out, len(lines)) == ("", 1) and said in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ["plain.weights.h5"]


@pytest.mark.slow
def test_tuning_that_comes_to_no_number_leaves_a_state_and_no_file(
    picture_folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("export.methods.outlier.PATCHES", 5)
    monkeypatch.setattr("export.methods.outlier.PATCH_SIZE", 24)
    run_dir, out = tmp_path / "run", tmp_path / "phone"
    command = (
        "model",
        QUICK,
        "--out",
        out,
        "--images",
        picture_folder,
        *SMALL,
        "--method",
        "outlier",
        "--run-dir",
        run_dir,
    )
    calls, loss = tf.Variable(0), alternating.picture_loss

    def poisoned(*pictures):
        # One for the calibrated state, three for the first epoch and its end, one after that.
        calls.assign_add(1)
        return loss(*pictures) * tf.where(calls > 5, math.nan, 1.0)

    monkeypatch.setattr(alternating, "picture_loss", poisoned)
    assert run(*command) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(lines) == 1 and "expected a finite loss, found nan at step 4" in lines[0]
    assert not out.exists()
    with np.load(run_dir / "outlier.npz") as state:
        numbers = [state[key] for key in state.files if state[key].dtype.kind == "f"]
    assert len(numbers) > 10 and all(np.isfinite(array).all() for array in numbers)
    monkeypatch.setattr(alternating, "picture_loss", loss)
    assert run(*command) == 0
    assert (out / "model.tflite").is_file()


@pytest.mark.slow
def test_only_a_file_that_is_slower_than_its_baseline_fails_the_gate(
    picture_folder, tmp_path, capsys, monkeypatch
):
    """The timing itself is made up: its rounds are tested beside `measure_speed`."""
    from export.exporting import baseline, front_door

    milliseconds = {"slower": 20.0, "faster": 5.0, "no difference shown": 10.0}
    made, run_export = [], front_door.run_export

    def timed(content, clipped, size, *, plan=None):
        before, after = (np.linspace(ms, ms + 0.1, 25) for ms in (10.0, milliseconds[verdict]))
        found = baseline.compare_samples(before, after)
        return baseline.BaselineSpeed(size, 10.05, milliseconds[verdict] + 0.05, found, 25)

    def export_once(name, settings, **inputs):
        """The second and third verdict are on the file of the first."""
        if not made:
            made.append(run_export(name, settings, **inputs))
            return made[0]
        return replace(made[0], speed=timed(made[0].content, None, settings.files.sizes[0]))

    monkeypatch.setattr(baseline, "measure_speed", timed)
    monkeypatch.setattr(front_door, "run_export", export_once)
    given = ("--images", picture_folder, *SMALL, "--method", "natural+mse", "--check-speed")
    for verdict, expected in (("slower", 1), ("faster", 0), ("no difference shown", 0)):
        out = tmp_path / verdict
        assert run("model", QUICK, "--out", out, *given) == expected
        said = capsys.readouterr()
        assert ("not met: a file that is not slower" in said.err) is bool(expected)
        manifest = json.loads((out / "manifest.json").read_text())
        assert manifest["speed"]["verdict"] == verdict and manifest["accepted"]
        assert manifest["clipped_baseline"]["worse"] == []
        assert manifest["clipped_baseline"]["delegation"]["left_behind"][1:3] == ["MINIMUM", "RELU"]
        assert manifest["delegation"]["partitions"] == 1


def test_a_bundle_is_not_timed_in_passing(tmp_path, capsys):
    given = ("xlsr_x3", "--out", tmp_path / "phone", "--bundle", "--check-speed")
    assert run("model", *given) == 2
    assert "expected --bundle or --check-speed, found both" in capsys.readouterr().err
