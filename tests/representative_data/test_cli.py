import json
import sys

import numpy as np
import pytest
import tensorflow as tf

from export.exporting.job import run_export
from export.exporting.settings import ExportSettings
from representative_data import cli
from representative_data.dataset import load_dataset
from sr_models.ground.console import status_of_command
from sr_models.ground.sizes import Size
from sr_models.networks.network import load_trunk, save_trunk, weights_sha256
from sr_models.networks.presets import get_preset
from tests.strangers import stranger

SMALL = ("--pictures", "8", "--tile-side", "24")


FORMER_VERBS = ("speed", "ablate", "tame", "sensitivity")


def run(*arguments):
    return status_of_command(cli.app, arguments)


def run_as_typed(monkeypatch, *words):
    """The exit status of `sr-calibrate` with these words behind it."""
    monkeypatch.setattr(sys, "argv", ["sr-calibrate", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


def test_a_network_may_be_called_as_a_verb_once_was(picture_folder, tmp_path, monkeypatch):
    """With one name for all of them: that each is taken for a network's the next test says."""
    name = FORMER_VERBS[0]
    tf.saved_model.save(stranger(), str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    words = (name, "--images", picture_folder, "--out", "rd.npz", *SMALL, "--max-saturation", "1")
    assert run_as_typed(monkeypatch, *words) == 0
    assert load_dataset("rd.npz").network == name


@pytest.mark.parametrize("name", FORMER_VERBS)
def test_a_name_that_is_nothing_is_looked_for_among_the_presets(name, monkeypatch, capsys):
    assert run_as_typed(monkeypatch, name, "--out", "rd.npz") == 2
    assert f"error: expected a known preset, found '{name}'" in capsys.readouterr().err


def test_help_names_the_gate(capsys):
    """What help imports, `tests/test_front_door.py` looks at."""
    assert run("--help") == 0 and "--max-saturation" in capsys.readouterr().out


@pytest.mark.slow
def test_a_set_is_written_with_its_report(picture_folder, tmp_path, capsys):
    out = tmp_path / "rd.npz"
    status = run("xlsr_x3", "--images", picture_folder, "--out", out, *SMALL, "--json", "-")
    assert status == 0
    report = json.loads(capsys.readouterr().out)
    dataset = load_dataset(out)
    assert len(dataset) == report["pictures"] == 10  # with two anchors
    assert report["input_range"] == [0.0, 1.0]
    assert report["output_range"][1] == pytest.approx(1.0, abs=1 / 510)
    assert report["layers"][0]["tensor"] == "input"
    assert report["pixel_contract"]["holds"]


@pytest.mark.slow
def test_a_gate_that_is_not_met_is_status_one_and_the_set_is_there(
    picture_folder, tmp_path, capsys
):
    out, page = tmp_path / "rd.npz", tmp_path / "rd.html"
    status = run(
        "xlsr_x3",
        "--images",
        picture_folder,
        "--out",
        out,
        *SMALL,
        "--no-anchors",
        "--taming",
        "intensity",
        "--taming-target",
        "set",
        "--max-saturation",
        "0",
        "--report",
        page,
    )
    assert status == 1
    assert "gate not met: max-saturation 0; more of " in capsys.readouterr().err
    assert len(load_dataset(out)) == 8
    assert "<title>Calibration of xlsr_x3</title>" in page.read_text()


@pytest.mark.slow
def test_a_network_of_0_to_255_is_rewritten_and_its_weights_are_those_of_the_set(
    picture_folder, tmp_path, capsys
):
    preset = get_preset("xlsr_x3")
    trunk = load_trunk(preset)
    for layer in trunk.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, bias * 255.0])
    of_bytes, unit, out = (tmp_path / name for name in ("a.weights.h5", "b.weights.h5", "rd.npz"))
    save_trunk(trunk, of_bytes)
    status = run(
        "xlsr_x3",
        "--images",
        picture_folder,
        "--out",
        out,
        *SMALL,
        "--weights",
        of_bytes,
        "--unit-weights",
        unit,
    )
    assert status == 0
    assert "inputs of 0..255 and outputs of 0..255 (found by" in capsys.readouterr().err
    written = load_trunk(preset, weights=unit)
    load_dataset(out).require_network(network="it", weights_sha256=weights_sha256(written))
    for found, shipped in zip(written.get_weights(), load_trunk(preset).get_weights()):
        np.testing.assert_allclose(found, shipped, rtol=1e-5)


@pytest.mark.parametrize("channels", [3, 1], ids=["RGB", "luma"])
def test_a_set_for_a_file_is_the_one_that_its_export_takes(
    channels, picture_folder, tmp_path, capsys
):
    source, out, page = (str(tmp_path / name) for name in ("net.keras", "rd.npz", "rd.html"))
    stranger(channels=channels, end=lambda y: tf.clip_by_value(y, 0.0, 1.0)).save(source)
    chosen = ("--images", picture_folder, "--out", out)
    assert run(source, *chosen, *SMALL, "--report", page) == 0
    assert "net: removed the output clip" in capsys.readouterr().err
    assert {picture.shape for picture in load_dataset(out).pictures} == {(24, 24, channels)}
    made = run_export(
        source,
        ExportSettings(sizes=(Size(16, 16),), method="cfqp"),
        images=picture_folder,
        dataset=out,
    )
    assert made.failures == [] and made.dataset.network == "net"
    assert run(source, *chosen, "--overwrite", "--unit-weights", "u.weights.h5") == 2
    assert "expected --unit-weights with a preset" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("xslr_x3", "--out", "new.npz"), "xlsr_x3"),
        (("xlsr_x3", "--out", "new.npz", "--images", "nowhere"), "nowhere"),
        (("xlsr_x3", "--out", "new.npz", "--images", "empty"), "found none"),
        (("xlsr_x3", "--out", "new.npz", "--method", "magic"), "magic"),
        (("xlsr_x3", "--out", "new.npz", "--taming", "wild"), "wild"),
        (("xlsr_x3", "--out", "new.npz", "--pictures", "0"), "at least 1"),
        (("xlsr_x3", "--out", "new.npz", "--tile-side", "8"), "16..1024 pixels, found 8"),
        (("none.keras", "--out", "new.npz"), "found no file none.keras"),
        (("xlsr_x3", "--out", "new.npz", "--pictures", "many"), "many"),
        (("xlsr_x3", "--out", "new.npz", "--taming-target", "all"), "all"),
        (
            ("xlsr_x3", "--out", "new.npz", "--taming-target", "set", "--taming", "select"),
            "--taming-target",
        ),
        (("xlsr_x3", "--out", "new.npz", "--max-saturation", "1.5"), "1.5"),
        (("xlsr_x3", "--out", "old.npz"), "--overwrite"),
        (("xlsr_x3", "--out", "new.npz", "--report", "old.npz"), "--overwrite"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "old.npz").write_bytes(b"precious")
    assert run(*arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and said in lines[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "old.npz"]
    assert (tmp_path / "old.npz").read_bytes() == b"precious"
