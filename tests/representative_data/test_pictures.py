import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from PIL import Image

from representative_data.pictures import (
    BUNDLED_HELD_OUT,
    HELD_OUT,
    bundled_pictures,
    held_out_tiles,
    natural_pieces,
    open_subject,
)
from representative_data.tiles import load_tiles
from sr_models.ground.errors import NetworkError, OptionError, PictureError
from sr_models.ground.files import file_sha256
from sr_models.ground.pictures import load_image
from sr_models.importing.source_options import SourceOptions
from sr_models.networks.network import load_trunk, save_trunk
from sr_models.networks.presets import get_preset
from tests.strangers import stranger


def test_scikit_image_brings_pictures_for_both_purposes():
    calibration = bundled_pictures()
    held_out = bundled_pictures(BUNDLED_HELD_OUT)
    assert len(calibration) == 12 and len(held_out) == 3
    hashes = [file_sha256(path) for path in (*calibration, *held_out)]
    assert len(set(hashes)) == 15
    assert all(load_image(path).shape[2] == 3 for path in (*calibration, *held_out))


def test_a_picture_that_is_not_there_is_named():
    with pytest.raises(PictureError, match=r"expected unicorn\.png in .*--images"):
        bundled_pictures(("camera.png", "unicorn.png"))


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_are_as_large_as_asked_for(channels):
    found = held_out_tiles(scale=3, side=24, channels=channels)
    assert {(tile.dtype, tile.shape) for tile in found} == {(np.dtype("uint8"), (24, 24, channels))}
    assert HELD_OUT.startswith(f"{len(found)} tiles of astronaut.png, chelsea.png")


def test_no_tile_is_one_of_the_scenes_for_calibration():
    calibration = {
        tile.pixels.tobytes() for tile in load_tiles(bundled_pictures(), scale=3, count=24, side=24)
    }
    assert not calibration & {tile.tobytes() for tile in held_out_tiles(scale=3, side=24)}


def test_a_shipped_preset_needs_no_pictures():
    network = open_subject("xlsr_x3", images="nowhere").network
    assert (network.name, network.scale, network.channels) == ("xlsr_x3", 3, 3)


def test_a_preset_with_weights_for_0_to_255_is_rewritten_and_told(picture_folder, tmp_path, capsys):
    preset = get_preset("xlsr_x3")
    trunk = load_trunk(preset)
    shipped = trunk.get_weights()
    for layer in trunk.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, bias * 255.0])
    weights = tmp_path / "bytes.weights.h5"
    save_trunk(trunk, weights)
    subject = open_subject("xlsr_x3", images=picture_folder, options=SourceOptions(weights))
    assert "xlsr_x3: inputs of 0..255 and outputs of 0..255" in capsys.readouterr().err
    for found, expected in zip(subject.network.trunk.get_weights(), shipped):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_a_file_is_opened_by_the_pictures_given(picture_folder, tmp_path, capsys):
    source = str(tmp_path / "net.keras")
    stranger(end=lambda y: tf.clip_by_value(y, 0.0, 255.0), unit=255.0).save(source)
    network = open_subject(source, images=picture_folder).network
    assert network.origin["pixels_in"] == [0.0, 255.0]
    assert "net: removed the output clip" in capsys.readouterr().err
    with pytest.raises(PictureError, match="nowhere"):
        open_subject(source, images="nowhere")
    with pytest.raises(NetworkError, match=r"found no file none\.h5"):
        open_subject("none.h5", images=picture_folder)


def test_inputs_calibrate_and_a_part_of_them_is_held_out(picture_folder, tmp_path):
    x = tf_keras.Input((None, None, 3))
    tf_keras.Model(x, tf_keras.layers.Conv2D(3, 3, padding="same")(x)).save(tmp_path / "x1.keras")
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    for path in picture_folder.iterdir():
        Image.fromarray(255 - load_image(path)).save(inputs / path.name)
    given = {"images": picture_folder, "inputs": inputs, "options": SourceOptions(pixels="0..1")}
    subject = open_subject(tmp_path / "x1.keras", hold_out=True, **given)
    used = {tile.source_sha256 for tile in subject.tiles(count=9, side=24)}
    hashes = {path.name: file_sha256(path) for path in inputs.iterdir()}
    (apart,) = subject.apart
    assert used == set(hashes.values()) - {hashes[apart.name]}
    held_out, said = subject.held_out(side=24)
    assert len(held_out) == 16 and said == "16 tiles of 1 inputs held out"
    assert np.abs(255 - load_image(apart)[42:66, 60:84] - held_out[0]).max() == 0
    whole = open_subject(tmp_path / "x1.keras", **given)
    assert {t.source_sha256 for t in whole.tiles(count=9, side=24)} == set(hashes.values())
    assert whole.held_out(side=24)[1] == HELD_OUT
    with pytest.raises(OptionError, match=r"ground truth of --inputs, found none; give --images"):
        open_subject(tmp_path / "x1.keras", inputs=inputs)


def test_pieces_are_a_few_and_alike(picture_folder):
    paths = sorted(picture_folder.iterdir())
    assert {piece.shape for piece in natural_pieces(paths)} == {(96, 96, 3)}
    assert len(natural_pieces(paths, scale=1)) == 8
