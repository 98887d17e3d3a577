import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.network import build_trunk, named_weights
from sr_models.presets import Preset
from sr_models.quantizers.student import (
    QuantizedConvolution,
    copied,
    quantizer_layers,
    student_of,
)
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
