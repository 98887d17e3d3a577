import numpy as np
import pytest
import tf_keras

from export.exporting.kernel_agreement import (
    PICTURES,
    CodeDifference,
    KernelAgreement,
    KernelMeter,
)
from export.quantizing.quantized_network import QuantizedNetwork
from sr_models.quantization.ranges import TensorRange

NONE = CodeDifference(0, 0.0)


def test_differences_are_pooled_over_pictures_of_any_size():
    one = [np.uint8([[0, 255, 7]]), np.uint8([[[9]]])]
    other = [np.uint8([[255, 255, 5]]), np.uint8([[[9]]])]
    found = CodeDifference.between(one, other)
    assert found == CodeDifference(255, 0.5)
    assert str(found) == "50.00% by up to 255"
    assert str(CodeDifference.between(one, one)) == "every code the same"


def test_a_line_says_what_was_compared():
    found = KernelAgreement(4, CodeDifference(2, 0.125), CodeDifference(1, 0.25), None, NONE)
    assert str(found) == (
        "XNNPACK from builtin 12.50% by up to 2; XNNPACK from simulation 25.00% by up to 1; "
        "builtin from integer simulation every code the same (4 held-out tiles)"
    )
    assert found.to_json()["xnnpack_from_builtin"] == {
        "max_abs_code_difference": 2,
        "differing_fraction": 0.125,
    }


@pytest.mark.slow
def test_the_differences_are_those_of_the_codes(small_file):
    file = small_file("xlsr", "relu")
    pictures = [*file.pictures, file.pictures[0, ::2, ::2]]
    found = KernelMeter(QuantizedNetwork(file.model, file.ranges), pictures)(file.content)
    xnnpack, builtin = file.codes("xnnpack"), file.codes("builtin")
    assert found.pictures == PICTURES == len(file.pictures)
    assert found.builtin_from_integer_simulation == NONE
    assert found.xnnpack_from_builtin.differing_fraction == np.mean(xnnpack != builtin)
    assert found.xnnpack_from_builtin.max_abs_code_difference == np.abs(xnnpack - builtin).max()
    assert found.xnnpack_from_float_simulation.differing_fraction < 0.01
    assert found.builtin_from_float_simulation.differing_fraction > 0.01


@pytest.mark.slow
def test_another_network_is_told_apart(small_file):
    """A simulation with one coarser tensor: what would show a fault in either."""
    file = small_file("xlsr", "relu")
    wider = TensorRange(file.ranges["mix"].minimum * 1.05, file.ranges["mix"].maximum * 1.05)
    other = QuantizedNetwork(file.model, file.ranges.replacing({"mix": wider}))
    found = KernelMeter(other, file.pictures)(file.content)
    assert found.builtin_from_integer_simulation.differing_fraction > 0.05
    assert found.xnnpack_from_float_simulation.differing_fraction > 0.05


@pytest.mark.slow
def test_what_cannot_be_simulated_is_left_out(small_file):
    file = small_file("xlsr", "relu")
    alone = KernelMeter(None, file.pictures)(file.content)
    assert alone.xnnpack_from_float_simulation is None
    assert alone.xnnpack_from_builtin.differing_fraction > 0.0
    picture = tf_keras.Input((None, None, 3), name="input")
    odd = tf_keras.Model(picture, tf_keras.layers.LayerNormalization(name="odd")(picture))
    ranges = file.ranges.replacing({"odd": TensorRange(0.0, 1.0)})
    assert KernelMeter(QuantizedNetwork(odd, ranges), file.pictures)(file.content) == alone
