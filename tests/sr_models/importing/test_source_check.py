import numpy as np
import pytest
import tensorflow as tf

from sr_models.ground.errors import NetworkError
from sr_models.importing import keras_layers, keras_reference
from sr_models.importing.adoption import adopt
from sr_models.importing.source_check import Source, SourceCheck
from sr_models.importing.sources import open_network
from tests.strangers import stranger


@pytest.fixture(scope="module")
def pictures(tiles):
    return [np.tile(tile.pixels, (2, 2, 1)) for tile in tiles]


def opened(path, pictures):
    return open_network(str(path), pictures=lambda: pictures)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_keras_file_that_we_misread_is_found_out(suffix, pictures, tmp_path, monkeypatch):
    """What was rebuilt equals what was read, and only the source knows better."""
    stranger().save(tmp_path / f"net.{suffix}")
    relu = keras_layers._ACTIVATIONS["relu"]
    monkeypatch.setitem(keras_layers._ACTIVATIONS, "relu", lambda x: 0.9 * relu(x))
    with pytest.raises(NetworkError, match="answer as the given one, found pixels that differ"):
        opened(tmp_path / f"net.{suffix}", pictures)


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "saved"])
def test_the_manifest_says_that_the_source_was_run(name, pictures, tmp_path):
    stranger().save(tmp_path / name, **({"save_format": "tf"} if name == "saved" else {}))
    network = opened(tmp_path / name, pictures)
    check = network.origin["check"]
    assert check["checked_against_source"] and check["not_checked_because"] is None
    assert check["largest_difference_of_255"] < 0.1
    assert any("which was run: pixels differ" in note for note in network.notes)


def test_a_file_of_keras_3_is_run_by_keras_3(keras3_files, pictures):
    network = opened(keras3_files / "many.keras", pictures)
    assert network.origin["check"]["checked_against"].startswith("the file as Keras 3")


def test_where_the_source_cannot_be_run_that_is_said(keras3_files, pictures, monkeypatch):
    def missing():
        raise ImportError("No module named keras")

    monkeypatch.setattr(keras_reference, "_keras3", missing)
    network = opened(keras3_files / "many.keras", pictures)
    assert not network.origin["check"]["checked_against_source"]
    said = "not checked against the source: Keras 3 does not load the file here (No module named"
    assert any(note.startswith(said) for note in network.notes)


def test_nothing_of_a_file_but_plain_values_reaches_keras(pictures, tmp_path):
    """Keras' loader would import what a policy or an initializer names."""
    import json
    import zipfile

    stranger().save(tmp_path / "net.keras")
    mark = tmp_path / "imported"
    planted = {"module": "planted_module", "class_name": "Evil", "config": {"name": "float32"}}
    (tmp_path / "planted_module.py").write_text(f"open({str(mark)!r}, 'w')")
    with zipfile.ZipFile(tmp_path / "net.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    layer = next(e for e in config["config"]["layers"] if e["class_name"] == "Conv2D")
    layer["config"] |= {"dtype": planted, "kernel_initializer": planted, "later": planted}
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "planted.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        network = opened(tmp_path / "planted.keras", pictures)
    assert not mark.exists()
    assert "a Evil in its configuration" in network.origin["check"]["not_checked_because"]


def test_a_network_that_does_something_else_at_another_size_is_found_out(pictures):
    def upscale(x):
        factor = 1.0 if x.shape[1] == 64 else 0.5
        return tf.repeat(tf.repeat(x * factor, 2, 1), 2, 2)

    with pytest.raises(NetworkError, match="found pixels that differ"):
        adopt(upscale, (None, None, None, 3), pictures, name="two")
    assert adopt(upscale, (None, 64, 64, 3), pictures, name="one").check.ran


def test_a_source_that_fails_when_it_runs_is_no_check(pictures):
    def failing(x):
        raise OSError("no disk")

    def double(x):
        return tf.repeat(tf.repeat(x, 2, 1), 2, 2)

    found = adopt(double, (None, None, None, 3), pictures, name="x", source=Source(failing))
    assert found.check == SourceCheck(False, reason="it fails when it is run (no disk)")
