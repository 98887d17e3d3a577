"""Receptive fields of Keras networks against what an impulse really reaches."""

from __future__ import annotations

import numpy as np
import pytest
import tf_keras

from sr_models.ground.errors import OptionError
from sr_models.networks.keras_windows import receptive_field_of
from sr_models.networks.network import build_trunk
from sr_models.networks.presets import PRESETS, Preset
from sr_models.networks.tails import attach_tail
from sr_models.networks.value_layers import PictureMean
from tests.networks import branched_trunk, sharpening_network

layers = tf_keras.layers
# The sum of (kernel - 1) / 2 along the longest path, counted in the papers' figures: XLSR is
# 1 + 3 + 1 convolutions of 3x3; FSRCNN 5x5, four of 3x3 and 9x9 transposed by 3, which
# reaches one pixel.
BY_HAND = {"xlsr_x3": 5, "abpn_x3": 7, "espcn_x3": 4, "edsr_f32b5_x2": 13, "fsrcnn_x3": 7}


def positive(trunk):
    """Weights that cannot cancel: whatever is reached is changed, and grows."""
    for layer in trunk.layers:
        shapes = [array.shape for array in layer.get_weights()]
        layer.set_weights(
            [np.full(shape, 0.0 if len(shape) == 1 else 1.0, np.float32) for shape in shapes]
        )
    return trunk


def reached(model, *, side: int) -> int:
    """Input pixels from an impulse to the farthest output pixel that it changes, in one row."""
    picture = np.zeros((1, 1, 2 * side + 1, 3), np.float32)
    picture[0, 0, side] = 1e-30
    output = model(picture, training=False).numpy()[0].any(axis=(0, 2))
    scale = output.size // (2 * side + 1)
    changed = np.flatnonzero(output) // scale
    return max(side - changed[0], changed[-1] - side)


LARGE = ("edsr_baseline_x2", "edsr_baseline_x4", "rdn_x2", "rdn_x4", "srresnet_x4")


@pytest.mark.parametrize("name", [name for name in PRESETS if name not in LARGE])
def test_the_receptive_field_of_a_preset_is_what_an_impulse_reaches(name):
    preset = PRESETS[name]
    model = attach_tail(positive(build_trunk(preset)), "none", scale=preset.scale)
    field = receptive_field_of(model)
    assert (field.scale, field.alignment) == (preset.scale, 1)
    assert field.radius == reached(model, side=field.radius + 5)
    assert field.radius == BY_HAND.get(name, field.radius)


def test_those_of_the_large_presets_follow_their_depth():
    """The same builders with fewer blocks, from which the depth of a block is told."""
    for family, blocks, per_block in (
        ("edsr", (2, 3), 2),
        ("rdn", (2, 3), 8),
        ("srresnet", (2, 3), 2),
    ):
        config = {"scale": 2, "blocks": blocks[0]}
        fields = []
        for count in blocks:
            preset = Preset("test", family, {**config, "blocks": count}, "for tests")
            model = attach_tail(build_trunk(preset), "relu", scale=2)
            fields.append(receptive_field_of(model).radius)
        assert fields[1] - fields[0] == per_block


def test_the_tail_changes_nothing():
    for tail in ("relu", "none", "clip", "conv_clip"):
        assert receptive_field_of(sharpening_network(tail=tail)).radius == 1
    assert receptive_field_of(attach_tail(branched_trunk(), "relu", scale=2)).radius == 3


def test_strides_and_transposed_convolutions_are_followed():
    picture = layers.Input((None, None, 3))
    small = layers.Conv2D(4, 4, strides=2, padding="same")(picture)
    small = layers.Conv2D(4, 3, padding="same")(small)
    large = layers.Conv2DTranspose(3, 4, strides=4, padding="same")(small)
    field = receptive_field_of(tf_keras.Model(picture, large))
    assert (field.alignment, field.scale) == (2, 2)
    # Two to either side of the block by the middle convolution, one more by the first.
    assert field.radius == 3


def test_a_network_that_looks_everywhere_is_refused():
    picture = layers.Input((None, None, 3))
    mean = layers.GlobalAveragePooling2D(keepdims=True)(picture)
    model = tf_keras.Model(picture, layers.Multiply()([picture, mean]))
    with pytest.raises(OptionError, match="the reach of GlobalAveragePooling2D"):
        receptive_field_of(model)
    gate = PictureMean(name="gate")(picture)
    model = tf_keras.Model(picture, layers.Multiply()([picture, gate]))
    with pytest.raises(OptionError, match="gate takes a mean over the whole picture"):
        receptive_field_of(model)
