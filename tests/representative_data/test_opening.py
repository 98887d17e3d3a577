import numpy as np
import pytest
import tensorflow as tf

from representative_data.pictures import natural_pieces, open_network
from sr_models.ground.errors import NetworkError, PictureError
from sr_models.networks.network import load_trunk, save_trunk
from sr_models.networks.presets import get_preset
from tests.strangers import stranger


def test_a_shipped_preset_needs_no_pictures():
    network = open_network("xlsr_x3", images="nowhere")
    assert (network.name, network.scale, network.channels) == ("xlsr_x3", 3, 3)


def test_a_preset_with_weights_for_0_to_255_is_rewritten_and_told(picture_folder, tmp_path, capsys):
    preset = get_preset("xlsr_x3")
    trunk = load_trunk(preset)
    shipped = trunk.get_weights()
    for layer in trunk.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, bias * 255.0])
    save_trunk(trunk, tmp_path / "bytes.weights.h5")
    network = open_network("xlsr_x3", images=picture_folder, weights=tmp_path / "bytes.weights.h5")
    assert "xlsr_x3: inputs of 0..255 and outputs of 0..255" in capsys.readouterr().err
    for found, expected in zip(network.trunk.get_weights(), shipped):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_a_file_is_opened_by_the_pictures_given(picture_folder, tmp_path, capsys):
    source = str(tmp_path / "net.keras")
    stranger(end=lambda y: tf.clip_by_value(y, 0.0, 255.0), unit=255.0).save(source)
    network = open_network(source, images=picture_folder)
    assert network.origin["pixels_in"] == [0.0, 255.0]
    assert "net: removed the output clip" in capsys.readouterr().err
    with pytest.raises(PictureError, match="nowhere"):
        open_network(source, images="nowhere")
    with pytest.raises(NetworkError, match=r"found no file none\.h5"):
        open_network("none.h5", images=picture_folder)


def test_pieces_are_a_few_and_alike(picture_folder):
    paths = sorted(picture_folder.iterdir())
    assert {piece.shape for piece in natural_pieces(paths)} == {(96, 96, 3)}
    assert len(natural_pieces(paths, scale=1)) == 8
