import numpy as np
import pytest
import tensorflow as tf

from sr_models.ground.errors import NetworkError
from sr_models.ground.metrics import luma_pixels
from sr_models.importing.adoption import adopt
from sr_models.networks.pixel_range import SIGNED, UNIT, PixelRange
from sr_models.networks.tails import attach_tail
from tests.strangers import layers, stranger

BYTES = PixelRange(255.0, 255.0)


@pytest.fixture(scope="module")
def pictures(tiles):
    return [np.tile(tile.pixels, (2, 2, 1)) for tile in tiles]


def adopted(model, pictures, **options):
    return adopt(model, model.input_shape, pictures, name="stranger", **options)


def clipped(low, high):
    return lambda y: tf.clip_by_value(y, low, high)


CASES = {
    "0..1": (lambda: stranger(end=clipped(0.0, 1.0)), UNIT, {}),
    "0..255": (lambda: stranger(end=clipped(0.0, 255.0), unit=255.0), BYTES, {}),
    "0..255 without a clip": (lambda: stranger(unit=255.0), BYTES, {}),
    "-1..1": (lambda: stranger(end=clipped(-1.0, 1.0), unit=2.0), SIGNED, {}),
    "0..1 to 0..255": (
        lambda: stranger(end=lambda y: clipped(0.0, 255.0)(y * 255.0)),
        PixelRange(1.0, 255.0),
        {},
    ),
    "-1..1 to 0..1": (
        lambda: stranger(end=lambda y: tf.nn.relu6(y * 3.0 + 3.0) / 6.0, unit=2.0),
        PixelRange(1.0, 1.0, -1.0, 0.0),
        {},
    ),
    "as the user says": (lambda: stranger(), SIGNED, {"pixels": "-1..1"}),
    "scaled in the network": (
        lambda: stranger(
            start=lambda x: x / 127.5 - 1.0,
            unit=2.0,
            end=lambda y: clipped(0.0, 255.0)((y + 1.0) * 127.5),
        ),
        BYTES,
        {},
    ),
    "luma": (lambda: stranger(channels=1, end=clipped(0.0, 1.0)), UNIT, {}),
    "of one size": (lambda: stranger(size=(20, 24), end=clipped(0.0, 1.0)), UNIT, {}),
    "x3": (lambda: stranger(scale=3, end=clipped(0.0, 1.0)), UNIT, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_network_is_adopted_with_its_pixels_and_answers_as_before(name, pictures):
    make, white, options = CASES[name]
    model = make()
    found = adopted(model, pictures, **options)
    assert found.pixels == white
    picture = pictures[0][:20, :24]
    picture = picture if found.channels == 3 else luma_pixels(picture)
    unit = picture[None].astype(np.float32) / 255.0
    given = unit * (white.input - white.input_black) + white.input_black
    expected = (model(given).numpy() - white.output_black) / (white.output - white.output_black)
    network = attach_tail(found.trunk, "none", scale=found.scale)
    np.testing.assert_allclose(np.clip(network(unit), 0.0, 1.0), np.clip(expected, 0, 1), atol=1e-5)
    has_clip = "without" not in name and "user" not in name
    assert ("removed the output clip" in " ".join(found.notes)) == has_clip
    assert network.output_shape == (None, None, None, found.channels), "of any size"


def test_what_was_done_is_said(pictures):
    notes = " | ".join(adopted(CASES["-1..1"][0](), pictures).notes)
    assert "removed the output clip" in notes and "(to -1..1)" in notes
    assert "inputs of -1..1 and outputs of -1..1" in notes and "rewritten for 0..1" in notes
    assert "channel of ones" in notes
    notes = " | ".join(adopted(CASES["luma"][0](), pictures).notes)
    assert "luma" in notes
    notes = " | ".join(adopted(stranger(end=lambda y: tf.tanh(y), unit=2.0), pictures).notes)
    assert "ends in tanh" in notes and "to_pixels could not be folded" in notes


def test_pixels_of_eight_bits_are_taken_as_such(pictures):
    inner = stranger(end=clipped(0.0, 1.0))

    def function(x):
        large = tf.round(inner(tf.cast(x, tf.float32) / 255.0) * 255.0)
        return tf.cast(large, tf.uint8)

    found = adopt(function, (None, None, None, 3), pictures, name="bytes", dtype="uint8")
    assert found.pixels == BYTES


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: stranger(end=lambda y: tf.image.resize(y, (48, 48))), "1 to 8 times as large"),
        (lambda: stranger(end=lambda y: y[..., :1]), "1 to 8 times as large"),
        (
            lambda: stranger(end=lambda y: layers.GlobalAveragePooling2D()(y)),
            "1 to 8 times as large",
        ),
        (lambda: stranger(end=clipped(0.2, 0.8)), r"found one to 0\.2\.\.0\.8 \(.*clip_by_value"),
        (lambda: stranger(end=lambda y: tf.nn.softplus(y)), "that run in full integer"),
        (
            lambda: stranger(channels=4),
            r"3 colours or 1 luma channel, found \[None, None, None, 4\]",
        ),
    ],
)
def test_what_is_no_super_resolution_network_is_said_in_one_line(make, said, pictures):
    with pytest.raises(NetworkError, match=said):
        adopted(make(), pictures)


def test_weights_that_are_no_numbers_are_named(pictures):
    model = stranger()
    kernel, bias = model.get_layer("last").get_weights()
    model.get_layer("last").set_weights([kernel * np.nan, bias])
    with pytest.raises(NetworkError, match="found NaN or infinity in last"):
        adopted(model, pictures)
