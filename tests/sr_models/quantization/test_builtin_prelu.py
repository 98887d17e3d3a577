import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from sr_models.quantization import integer_kernels as builtin_kernels
from sr_models.quantization.grids import Grid
from sr_models.quantization.simulator import builtin_prelu

CODES = np.arange(-128, 128).astype(np.int8).reshape(1, 16, 16, 1).repeat(4, axis=-1)


def agrees(slopes, *, source, target):
    expected = builtin_kernels.prelu(CODES, slopes, source=source, target=target)
    values = (source.centred(CODES) * source.scale).astype(np.float32)
    found = builtin_prelu(values, tf.constant(slopes), source=source, target=target).numpy()
    codes = np.rint(found / target.scale) + target.zero_point
    return np.array_equal(codes, expected)


GRIDS = st.builds(Grid, st.just("int8"), st.floats(0.002, 0.05), st.integers(-128, 127))
SLOPES = st.lists(st.floats(-1.5, 1.5, width=32), min_size=4, max_size=4)


@given(source=GRIDS, target=GRIDS, slopes=SLOPES)
def test_it_writes_the_codes_of_the_integer_kernel(source, target, slopes):
    assert agrees(np.float32(slopes).reshape(1, 1, 4), source=source, target=target)


@pytest.mark.parametrize("scale", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_factors_that_are_powers_of_two(scale):
    slopes = np.float32([127 / 128, 0.5, -0.25, 0.0]).reshape(1, 1, 4)
    assert agrees(slopes, source=Grid("int8", 1 / 64, 3), target=Grid("int8", scale / 64, -5))


def test_a_quarter_of_the_values_goes_up_where_the_shift_is_one_place():
    """Of 155 steps 72.29 are kept: 144.59 half steps become 145, and those 73."""
    source, target = Grid("int8", 0.4664, 0), Grid("int8", 1.0, 0)
    found = builtin_prelu(
        np.full((1, 1, 1, 1), np.float32(155 * 0.4664)),
        tf.zeros((1, 1, 1)),
        source=source,
        target=target,
    )
    assert float(found[0, 0, 0, 0]) == 73.0
