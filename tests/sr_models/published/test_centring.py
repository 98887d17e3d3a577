import numpy as np
import pytest
import tensorflow as tf

from sr_models.networks.network import build_trunk, named_weights, set_named_weights
from sr_models.networks.presets import Preset
from sr_models.published.outlier_student import OutlierSettings, calibrated, outlier_student
from sr_models.published.pams_student import pams_student, start_alphas
from sr_models.published.settings import PamsSettings
from sr_models.published.student import (
    MEAN_COLOUR,
    QuantizedConvolution,
    centres,
    with_centres_merged,
)
from tests.families import random_weights

PICTURE = np.random.default_rng(1).random((2, 9, 7, 3), np.float32)


@pytest.fixture(scope="module")
def edsr():
    config = {"scale": 2, "blocks": 2, "width": 8}
    return random_weights(build_trunk(Preset("test", "edsr", config, "for tests")))


class Rounded(QuantizedConvolution):
    def quantized_kernel(self):
        return tf.round(self.kernel * 3.0) / 3.0


def test_the_head_is_centred_and_nothing_else(edsr, tiny_preset):
    assert centres(edsr) == {"first": MEAN_COLOUR}
    assert set(centres(build_trunk(tiny_preset)).values()) == {MEAN_COLOUR}


def test_a_centred_convolution_is_one_that_reads_the_difference_from_the_centre():
    layer = Rounded(4, 3, padding="valid", centre=MEAN_COLOUR)
    layer(PICTURE)
    layer.bias.assign([0.5, -1.0, 0.0, 2.0])
    published = tf.nn.conv2d(PICTURE - MEAN_COLOUR, layer.quantized_kernel(), 1, "VALID")
    # What the float network makes of the mean colour is its bias in the papers' form.
    constant = np.tensordot(MEAN_COLOUR, layer.kernel.numpy().sum(axis=(0, 1)), 1)
    np.testing.assert_allclose(layer(PICTURE), published + constant + layer.bias, atol=1e-5)


def test_the_mean_colour_stays_what_the_float_network_makes_of_it(edsr):
    flat = np.broadcast_to(np.float32(MEAN_COLOUR), (1, 9, 9, 3))
    first = edsr.get_layer("first")
    expected = first(flat)[0, 4, 4]
    for centred in (False, True):
        student = pams_student(edsr, PamsSettings(3, edges=True, edge_bits=3), centred=centred)
        found = student.model.get_layer("first")(flat)[0, 4, 4]
        assert np.allclose(found, expected, atol=1e-5) == centred


def test_biases_can_hold_the_constant(edsr):
    student = pams_student(edsr, PamsSettings(4, edges=True, edge_bits=4), centred=True)
    start_alphas(student, edsr, pictures=[PICTURE])
    plain = pams_student(edsr, PamsSettings(4, edges=True, edge_bits=4))
    weights = with_centres_merged(named_weights(student.model), student.model)
    assert not np.array_equal(weights["first/bias"], named_weights(edsr)["first/bias"])
    set_named_weights(plain.model, weights)
    np.testing.assert_allclose(plain.model(PICTURE), student.model(PICTURE), atol=1e-5)


def test_a_bound_of_the_head_learns_through_the_constant_too(edsr):
    student = outlier_student(edsr, OutlierSettings(4, edge_bits=4))
    calibrated(student, edsr, batches=[PICTURE])
    head = student.model.get_layer("first")
    assert head.centre == MEAN_COLOUR
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(
            head(tf.broadcast_to(tf.constant(MEAN_COLOUR), (1, 5, 5, 3)))[:, 2, 2]
        )
    # Where the picture is the centre, no bound of the kernel matters.
    assert float(tape.gradient(total, head.bound)) == pytest.approx(0.0, abs=1e-4)


def test_the_centre_survives_being_saved():
    layer = Rounded(4, 3, centre=(0.1, 0.2, 0.3))
    assert Rounded.from_config(layer.get_config()).centre == (0.1, 0.2, 0.3)
    assert Rounded.from_config(Rounded(4, 3).get_config()).centre is None
