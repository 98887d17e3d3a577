import numpy as np
import pytest

from sr_models.importing.sources import load_unit_trunk, open_network
from sr_models.networks.network import load_trunk, save_trunk, weights_sha256
from sr_models.networks.presets import get_preset


@pytest.fixture(scope="module")
def pictures(photographs):
    return lambda: [photo[60:156, 60:156] for photo in photographs.values()]


@pytest.fixture(scope="module")
def of_bytes(tmp_path_factory):
    """The shipped weights for pixels of 0..255: all layers are ReLU or linear, so biases grow."""
    trunk = load_trunk(get_preset("xlsr_x3"))
    for layer in trunk.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, bias * 255.0])
    path = tmp_path_factory.mktemp("weights") / "of_255.weights.h5"
    save_trunk(trunk, path)
    return path


def test_weights_trained_on_0_to_255_are_rewritten(of_bytes, pictures):
    network = open_network("xlsr_x3", weights=of_bytes, pictures=pictures)
    (note,) = network.notes
    assert note.startswith("inputs of 0..255 and outputs of 0..255") and "rewritten" in note
    for found, shipped in zip(
        network.trunk.get_weights(), load_trunk(get_preset("xlsr_x3")).get_weights()
    ):
        np.testing.assert_allclose(found, shipped, rtol=1e-5)


def test_weights_trained_on_0_to_1_stay_as_they_are(pictures, tmp_path):
    preset = get_preset("xlsr_x3")
    save_trunk(load_trunk(preset), tmp_path / "same.weights.h5")
    trunk, notes = load_unit_trunk(preset, weights=tmp_path / "same.weights.h5", pictures=pictures)
    assert notes == ()
    assert weights_sha256(trunk) == weights_sha256(load_trunk(preset))


def test_shipped_weights_need_no_pictures():
    def fail():
        raise AssertionError("looked at pictures")

    trunk, notes = load_unit_trunk(get_preset("xlsr_x3"), weights=None, pictures=fail)
    assert notes == () and trunk.output_shape[-1] == 27
