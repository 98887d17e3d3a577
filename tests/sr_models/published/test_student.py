import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.networks.network import build_trunk, named_weights, set_named_weights
from sr_models.networks.presets import Preset
from sr_models.published.dfsq import DfsqActivation
from sr_models.published.dfsq_student import DfsqSettings, dfsq_student
from sr_models.published.dual_region import DualRegionActivation, DualRegionConvolution
from sr_models.published.outlier_student import OutlierSettings, calibrated, outlier_student
from sr_models.published.pams import PamsActivation, PamsConvolution
from sr_models.published.pams_student import pams_student, start_alphas
from sr_models.published.settings import PamsSettings
from sr_models.published.student import QuantizedConvolution, copied, quantizer_layers, student_of
from tests.families import random_weights

CONFIGS = {
    "xlsr": {"scale": 3, "width": 8, "blocks": 2, "skip_width": 4, "merge_width": 8},
    "edsr": {"scale": 2, "blocks": 2, "width": 8},
    "fsrcnn": {"scale": 3},
}
PICTURE = np.random.default_rng(1).random((2, 9, 7, 3), np.float32)


class Halved(QuantizedConvolution):
    def quantized_kernel(self):
        return 0.5 * self.kernel


class Unchanged(QuantizedConvolution):
    def quantized_kernel(self):
        return self.kernel


def with_convolutions(kind):
    def replace(layer):
        if type(layer) is tf_keras.layers.Conv2D:
            return kind.from_config(layer.get_config())
        return copied(layer)

    return replace


@pytest.mark.parametrize("family", CONFIGS)
def test_a_student_without_quantizers_computes_what_its_teacher_does(family):
    teacher = random_weights(build_trunk(Preset("test", family, CONFIGS[family], "for tests")))
    student = student_of(teacher, replace_layer=with_convolutions(Unchanged))
    np.testing.assert_allclose(student(PICTURE), teacher(PICTURE), rtol=1e-5, atol=1e-5)
    assert quantizer_layers(student, Unchanged)
    assert list(named_weights(student)) == list(named_weights(teacher))


@pytest.mark.parametrize("family", CONFIGS)
def test_a_copy_of_a_network_is_bit_for_bit_the_network(family):
    teacher = random_weights(build_trunk(Preset("test", family, CONFIGS[family], "for tests")))
    np.testing.assert_array_equal(student_of(teacher)(PICTURE), teacher(PICTURE))


def pams(teacher):
    student = pams_student(teacher, PamsSettings(4, edges=True, edge_bits=4), centred=True)
    start_alphas(student, teacher, pictures=[PICTURE])
    return student.model


def outlier(teacher):
    return calibrated(
        outlier_student(teacher, OutlierSettings(4, edge_bits=4)), teacher, batches=[PICTURE]
    ).model


def float_kernel(layer):
    return tf.identity(layer.kernel)


@pytest.mark.parametrize("make", [pams, outlier], ids=["pams", "outlier"])
def test_switched_off_quantizers_leave_the_float_network_bit_for_bit(make, monkeypatch):
    """What remains of a student where nothing is rounded: its wiring, weights and centring."""
    teacher = random_weights(build_trunk(Preset("test", "edsr", CONFIGS["edsr"], "for tests")))
    student, expected = make(teacher), teacher(PICTURE).numpy()
    assert np.mean(student(PICTURE).numpy() != expected) > 0.9
    for convolution in (PamsConvolution, DualRegionConvolution):
        monkeypatch.setattr(
            convolution, "quantized_kernel", lambda layer: tf.identity(layer.kernel)
        )
    for activation in (PamsActivation, DualRegionActivation):
        monkeypatch.setattr(activation, "call", lambda layer, inputs, **_: inputs)
    np.testing.assert_array_equal(student(PICTURE), expected)


def test_dfsqs_weights_alone_are_the_teachers_with_rounded_kernels(monkeypatch):
    """DFSQ rounds kernels once and for all: with the float ones in place, the float network."""
    teacher = random_weights(build_trunk(Preset("test", "edsr", CONFIGS["edsr"], "for tests")))
    student = dfsq_student(teacher, DfsqSettings(4, restarts=1), batches=[PICTURE]).model
    assert np.mean(student(PICTURE).numpy() != teacher(PICTURE).numpy()) > 0.9
    set_named_weights(student, {**named_weights(student), **named_weights(teacher)})
    monkeypatch.setattr(DfsqActivation, "call", lambda layer, inputs, **_: inputs)
    np.testing.assert_array_equal(student(PICTURE), teacher(PICTURE))


@pytest.mark.parametrize(
    "make",
    [
        lambda t: pams_student(t, PamsSettings(2)).model,
        lambda t: (
            calibrated(
                outlier_student(t, OutlierSettings(2, edges=False)), t, batches=[PICTURE]
            ).model
        ),
        lambda t: dfsq_student(t, DfsqSettings(2, restarts=1), batches=[PICTURE]).model,
    ],
    ids=["pams", "outlier", "dfsq"],
)
def test_edges_that_stay_float_compute_the_float_networks_very_numbers(make):
    teacher = random_weights(build_trunk(Preset("test", "edsr", CONFIGS["edsr"], "for tests")))
    student = make(teacher)
    np.testing.assert_array_equal(
        student.get_layer("first")(PICTURE), teacher.get_layer("first")(PICTURE)
    )
    features = np.random.default_rng(2).normal(size=(1, 9, 7, 8)).astype(np.float32)
    np.testing.assert_array_equal(
        student.get_layer("last")(features), teacher.get_layer("last")(features)
    )


def test_training_the_student_leaves_the_teacher_alone():
    teacher = random_weights(build_trunk(Preset("test", "fsrcnn", CONFIGS["fsrcnn"], "for tests")))
    before = named_weights(teacher)
    student = student_of(teacher, replace_layer=with_convolutions(Unchanged))
    for variable in student.weights:
        variable.assign(tf.zeros_like(variable))
    for name, array in named_weights(teacher).items():
        np.testing.assert_array_equal(array, before[name])


def test_convolutions_compute_with_the_quantized_kernel_and_the_float_bias():
    picture = tf_keras.Input((None, None, 3))
    layer = tf_keras.layers.Conv2D(4, 3, strides=2, dilation_rate=1, activation="relu", name="a")
    teacher = tf_keras.Model(picture, layer(picture))
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4))
    layer.set_weights([kernel, np.full(4, 0.1)])
    student = student_of(teacher, replace_layer=with_convolutions(Halved))
    layer.set_weights([0.5 * kernel, np.full(4, 0.1)])
    np.testing.assert_allclose(student(PICTURE), teacher(PICTURE), rtol=1e-5, atol=1e-6)
