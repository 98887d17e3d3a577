import numpy as np
import pytest
import tf_keras

from representative_data.observation import observe_ranges, pin_pixels, pixel_points
from sr_models.networks.graph import quantized_points
from sr_models.networks.layers import MirrorPadding, SpaceToDepth
from sr_models.networks.tails import attach_tail
from sr_models.quantization.ranges import PIXELS
from tests.networks import branched_trunk, sharpening_trunk


def test_observed_ranges_are_the_networks_own(branched, natural):
    ranges = observe_ranges(branched, natural)
    assert list(ranges) == ["input", "joined", "c", "rectified", "last_relu", "depth_to_space"]
    outputs = [branched(sample).numpy() for (sample,) in natural()]
    assert ranges["depth_to_space"].maximum == pytest.approx(max(y.max() for y in outputs))
    assert ranges["input"].maximum == pytest.approx(
        max(float(sample.max()) for (sample,) in natural())
    )
    assert ranges.method == "natural-minmax"


def test_the_first_operand_of_an_addition_keeps_its_own_range(branched, natural):
    """TensorFlow's calibrator gives it the sum's range (tensorflow#127842)."""
    ranges = observe_ranges(branched, natural)
    trunk = branched_trunk()
    watched = tf_keras.Model(trunk.input, trunk.get_layer("c").output)
    values = np.concatenate([watched(sample).numpy().ravel() for (sample,) in natural()])
    assert (ranges["c"].minimum, ranges["c"].maximum) == pytest.approx(
        (values.min(), values.max()), rel=1e-5
    )


@pytest.mark.parametrize(
    ("tail", "pinned"),
    [
        ("relu", {"input", "last_relu", "depth_to_space"}),
        ("none", {"input", "last", "depth_to_space"}),
        ("clip", {"input", "tail_clip"}),
        ("conv_clip", {"input", "tail_complement", "depth_to_space"}),
    ],
)
def test_pinning_reaches_back_to_the_operator_that_computes_the_output(tail, pinned, natural):
    model = attach_tail(sharpening_trunk(), tail, scale=2)
    ranges = pin_pixels(observe_ranges(model, natural), model)
    assert {name for name, value in ranges.items() if value == PIXELS} == pinned


def test_pixels_stay_on_their_grid_through_borders_and_crops():
    layers = tf_keras.layers
    picture = tf_keras.Input((None, None, 3), name="input")
    y = MirrorPadding((1, 1), (1, 1), name="border")(picture)
    y = SpaceToDepth(2, name="packed")(layers.MaxPooling2D(2, name="pooled")(y))
    y = layers.Conv2D(3, 3, name="last")(y)
    model = tf_keras.Model(picture, layers.Cropping2D(1, name="cropped")(y))
    assert pixel_points(model) == ["input", "packed", "last"]
    assert quantized_points(model) == ["input", "packed", "last"]
