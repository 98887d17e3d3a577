"""Receptive fields of files: those of their networks, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import tf_keras

from export.exporting.conversion import convert_float
from export.tflite.windows import read_receptive_field
from sr_models.ground.errors import ModelFileError
from sr_models.networks.keras_windows import receptive_field_of
from sr_models.networks.layers import DepthToSpace
from sr_models.networks.network import build_trunk
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from tests.networks import branched_trunk
from tests.tiny_files import clipped_file

layers = tf_keras.layers
SIZE = {"height": 16, "width": 24}
SMALL = {
    "xlsr": {"width": 8, "blocks": 2, "skip_width": 4, "merge_width": 8},
    "abpn": {"width": 4},
    "espcn": {},
    "fsrcnn": {},
}


@pytest.mark.parametrize("family", SMALL)
def test_a_file_looks_as_far_as_its_network(family):
    preset = Preset("test", family, {"scale": 3, **SMALL[family]}, "for tests")
    model = attach_tail(build_trunk(preset), "relu", scale=3)
    assert read_receptive_field(convert_float(model, **SIZE)) == receptive_field_of(model)


def test_a_file_with_a_clip_looks_no_further():
    assert read_receptive_field(clipped_file("MINIMUM", "RELU", "DEPTH_TO_SPACE")).radius == 1
    model = attach_tail(branched_trunk(), "clip", scale=2)
    assert read_receptive_field(convert_float(model, **SIZE)).radius == 3


def odd_network():
    """Pooling, padding, a transposed convolution, a resized branch, dilation, an even kernel."""
    picture = layers.Input((None, None, 3))
    small = layers.MaxPooling2D(2)(picture)
    small = layers.Conv2D(4, 3, padding="same", dilation_rate=2)(small)
    large = layers.Conv2DTranspose(4, 4, strides=4, padding="same")(small)
    wide = layers.Conv2D(4, 5)(layers.ZeroPadding2D(2)(picture))
    wide = layers.UpSampling2D(2, interpolation="bilinear")(
        layers.DepthwiseConv2D(2, padding="same")(wide)
    )
    nearest = layers.UpSampling2D(2)(layers.Conv2D(4, 1)(picture))
    return tf_keras.Model(
        picture, layers.Conv2D(3, 3, padding="same")(layers.Add()([large, wide, nearest]))
    )


def test_every_operator_that_is_known_is_read_as_its_layer():
    model = odd_network()
    field = read_receptive_field(convert_float(model, **SIZE))
    assert field == receptive_field_of(model)
    assert (field.scale, field.alignment) == (2, 2)


def test_a_network_of_everything_is_reached_as_far_as_told():
    """A change beyond the radius changes nothing; within it, something."""
    model = odd_network()
    field = receptive_field_of(model)
    picture = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    other = picture.copy()
    other[:, :, :8] = 0.0
    different = (model(picture).numpy() != model(other).numpy()).any(axis=(0, 1, 3))
    first_same = 8 + field.radius
    assert not different[2 * first_same :].any()
    assert different[2 * 8 : 2 * first_same].any()


def test_a_file_that_looks_everywhere_is_refused_and_the_operator_named():
    picture = layers.Input((None, None, 3))
    mean = layers.GlobalAveragePooling2D(keepdims=True)(picture)
    scaled = layers.Multiply()(
        [layers.Conv2D(12, 3, padding="same")(picture), layers.Conv2D(12, 1)(mean)]
    )
    model = tf_keras.Model(picture, DepthToSpace(2)(scaled))
    with pytest.raises(ModelFileError, match=r"MEAN \(operator \d+\) takes a mean over the whole"):
        read_receptive_field(convert_float(model, **SIZE))


def test_a_file_that_reshapes_its_picture_is_refused():
    with pytest.raises(ModelFileError, match="RESHAPE"):
        read_receptive_field(clipped_file("RESHAPE"))
    with pytest.raises(ModelFileError, match="damaged"):
        read_receptive_field(b"\0\0\0\0TFL3" + b"\xff" * 40)
