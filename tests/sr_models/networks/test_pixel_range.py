import numpy as np
import pytest
import tf_keras

from representative_data.pictures import bundled_pictures
from representative_data.tiles import load_tiles
from sr_models.ground.bundled import bundled_pieces
from sr_models.ground.errors import CalibrationError
from sr_models.networks.layers import ClipByValue
from sr_models.networks.network import build_trunk, load_trunk, weights_sha256
from sr_models.networks.pixel_range import (
    SIGNED,
    UNIT,
    PixelRange,
    find_pixel_range,
    require_unit_pixels,
    with_unit_pixels,
)
from sr_models.networks.presets import get_preset
from sr_models.networks.tails import attach_tail
from tests.networks import branched_trunk, brightness_keeping_network, sharpening_network

BYTES = PixelRange(255.0, 255.0)


@pytest.fixture(scope="module")
def pictures(picture_folder):
    return [t.pixels for t in load_tiles(picture_folder, scale=2, count=4, side=32)]


@pytest.fixture(scope="module")
def scenes():
    """Eight scenes; of fewer, one that a network finds hard decides alone."""
    return [t.pixels for t in load_tiles(bundled_pictures(), scale=3, count=12, side=64)][:8]


def of_bytes(trunk, *, bounded=()):
    """The same network for 0..255: derived by hand, where only tanh knows a unit of its own.

    A network of ReLU, sums and concatenations returns 255 f(x / 255) where its biases are 255
    times as large. Around tanh the first kernel shrinks and the last layer grows instead.
    """
    copy = tf_keras.models.clone_model(trunk)
    copy.set_weights(trunk.get_weights())
    convolutions = [layer for layer in copy.layers if type(layer) is tf_keras.layers.Conv2D]
    for layer in convolutions:
        kernel, bias = layer.get_weights()
        if not bounded:
            layer.set_weights([kernel, bias * 255.0])
        elif layer is convolutions[0]:
            layer.set_weights([kernel / 255.0, bias])
        elif layer is convolutions[-1]:
            layer.set_weights([kernel * 255.0, bias * 255.0])
    return copy


@pytest.mark.parametrize("name", ["xlsr_x3", "abpn_x3", "ecbsr_m4c16_x3", "fsrcnn_x3", "espcn_x3"])
def test_trained_networks_are_told_apart_and_rewritten(name, pictures):
    """Found by outputs; rewritten, each answers 0..1 as the network it was made from does."""
    trunk = load_trunk(get_preset(name))
    old = of_bytes(trunk, bounded=name.startswith("espcn"))
    model, other = (attach_tail(t, "none", scale=3) for t in (trunk, old))
    assert find_pixel_range(model, pictures) is UNIT
    assert find_pixel_range(other, pictures) == BYTES
    assert find_pixel_range(other, bundled_pieces()) == BYTES
    batch = np.stack(pictures[:1]).astype(np.float32) / 255.0
    np.testing.assert_allclose(other(batch * 255.0) / 255.0, model(batch), atol=1e-4)
    mended = with_unit_pixels(old, BYTES)
    assert find_pixel_range(attach_tail(mended, "relu", scale=3), pictures) is UNIT
    np.testing.assert_allclose(mended(batch), trunk(batch), atol=1e-4)
    assert [layer.name for layer in mended.layers] == [layer.name for layer in old.layers]


@pytest.mark.parametrize(
    ("build", "found"),
    [
        (lambda: sharpening_network(tail="none"), UNIT),
        (lambda: brightness_keeping_network(), UNIT),
        (lambda: brightness_keeping_network(white=255.0), BYTES),
        (lambda: attach_tail(branched_trunk(), "none", scale=2), UNIT),  # untrained: says nothing
    ],
)
def test_the_range_is_found_by_outputs_alone(build, found, pictures):
    model = build()
    assert find_pixel_range(lambda batch: model(batch).numpy(), pictures) == found


@pytest.mark.parametrize("name", ["xlsr_x3", "abpn_x3", "ecbsr_m4c16_x3", "fsrcnn_x3", "espcn_x3"])
def test_a_trained_network_of_negative_values_is_told_by_working_on_them(name, scenes):
    """Both readings fit a network of -1..1, since 0..1 is a part of it; the wider one is true."""
    pictures = scenes
    model = attach_tail(load_trunk(get_preset(name)), "none", scale=3)

    def of_negatives(batch):
        return 2.0 * model((batch + 1.0) / 2.0).numpy() - 1.0

    assert find_pixel_range(of_negatives, pictures, signed=True) == SIGNED
    assert find_pixel_range(model, pictures, signed=True) == UNIT
    assert find_pixel_range(of_negatives, pictures, output=(-1.0, 1.0)) == SIGNED
    mixed = find_pixel_range(lambda b: model(b).numpy() * 255.0, pictures, output=(0.0, 255.0))
    assert mixed == PixelRange(1.0, 255.0)


def test_bounds_that_are_wider_than_the_pixels_do_not_mislead(pictures):
    model = brightness_keeping_network()
    bounded = find_pixel_range(
        lambda b: np.clip(model(b).numpy(), -1.0, 1.0), pictures, output=(-1.0, 1.0)
    )
    assert bounded == UNIT


def test_a_linear_network_is_taken_for_0_to_1():
    """It answers both readings alike, so nothing is lost."""
    linear = sharpening_network(tail="none")
    rng = np.random.default_rng(0)
    smooth = [np.cumsum(rng.integers(0, 5, (32, 32, 3)), axis=1).astype(np.uint8) for _ in range(3)]
    assert find_pixel_range(lambda b: linear(b).numpy(), smooth, signed=True) == UNIT


def test_what_no_output_tells_follows_the_bounds(pictures):
    def untrained(batch):
        return np.random.default_rng(0).normal(size=batch.shape)

    assert find_pixel_range(untrained, pictures, output=(0.0, 255.0)) == BYTES
    assert find_pixel_range(untrained, pictures, signed=True) == UNIT


def test_a_black_that_is_not_zero_cannot_be_scaled_away(tiny_preset):
    with pytest.raises(CalibrationError, match=r"takes 0 for black, found inputs of -1\.\.1"):
        with_unit_pixels(build_trunk(tiny_preset), SIGNED)


@pytest.mark.parametrize(("taken", "given"), [(1.0, 255.0), (255.0, 1.0)])
def test_ranges_may_differ_between_input_and_output(taken, given, pictures):
    model = brightness_keeping_network()

    def answer(batch):
        return model(batch / taken).numpy() * given

    assert find_pixel_range(answer, pictures) == PixelRange(taken, given)
    with pytest.raises(CalibrationError, match=rf"0\.\.{taken:g} and outputs of 0\.\.{given:g}"):
        require_unit_pixels(answer, pictures)


@pytest.mark.parametrize("answered", [0.0, 0.9])
def test_dark_pictures_are_not_mistaken_for_a_range(answered, pictures):
    """Black is near to a dark picture, and so is whatever is divided by 255."""
    dark = [picture // 12 for picture in pictures]

    def constant(batch):
        return np.full_like(batch, answered)

    assert find_pixel_range(constant, dark) is UNIT
    of_bytes_network = brightness_keeping_network(white=255.0)
    assert find_pixel_range(lambda b: of_bytes_network(b).numpy(), dark) == BYTES


def test_a_network_that_gives_no_number_is_left_to_those_who_say_so(pictures):
    assert find_pixel_range(lambda batch: np.full_like(batch, np.nan), pictures) is UNIT


def test_rewriting_leaves_the_old_network_alone_and_what_is_right_as_it_is(tiny_preset):
    trunk = build_trunk(tiny_preset)
    before = weights_sha256(trunk)
    with_unit_pixels(trunk, BYTES)
    assert weights_sha256(trunk) == before
    assert weights_sha256(with_unit_pixels(trunk, UNIT)) == before
    # With or without its output tail, so that a set is for the weights that were written.
    mended = with_unit_pixels(attach_tail(trunk, "relu", scale=3), BYTES)
    assert weights_sha256(mended) == weights_sha256(with_unit_pixels(trunk, BYTES)) != before


def test_mixed_ranges_meet_in_a_convolution():
    trunk = branched_trunk()
    old = of_bytes(trunk)
    # Outputs of 0..1 from inputs of 0..255: the last convolution divides.
    kernel, bias = old.get_layer("last").get_weights()
    old.get_layer("last").set_weights([kernel / 255.0, bias / 255.0])
    batch = np.random.default_rng(0).random((1, 8, 8, 3)).astype(np.float32)
    mended = with_unit_pixels(old, PixelRange(255.0, 1.0))
    np.testing.assert_allclose(mended(batch), trunk(batch), atol=1e-5)


def test_what_cannot_be_rescaled_is_named():
    picture = tf_keras.Input((None, None, 3), name="input")
    y = tf_keras.layers.Conv2D(3, 3, padding="same", name="first")(picture)
    bounded = tf_keras.Model(picture, ClipByValue(name="bound")(y))
    with pytest.raises(CalibrationError, match=r"found ClipByValue \(bound\)"):
        with_unit_pixels(bounded, BYTES)
    gelu = tf_keras.layers.Conv2D(3, 3, padding="same", activation="gelu", name="smooth")(picture)
    with pytest.raises(CalibrationError, match=r"found Conv2D \(smooth\)"):
        with_unit_pixels(tf_keras.Model(picture, gelu), BYTES)
    joined = tf_keras.layers.Add(name="sum")([picture, y])
    with pytest.raises(CalibrationError, match="joined with values of another range"):
        with_unit_pixels(tf_keras.Model(picture, joined), PixelRange(255.0, 1.0))
