import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from export.inspecting.audit import audit_model
from export.running.interpreters import open_model
from runtime_bench.evidence.dual_branch import (
    Reach,
    Split,
    dual_branch_layer,
    single_layer,
    split_reference,
    wide_layer,
)
from runtime_bench.evidence.layer_file import Kernel
from sr_models.ground.errors import OptionError

SIZE = {"height": 12, "width": 10}
SPLIT = Split(largest=20.0, break_point=2.0)


@pytest.fixture(scope="module")
def kernel():
    rng = np.random.default_rng(0)
    values = rng.normal(0.0, 0.1, (3, 3, 8, 6)).astype(np.float32)
    return Kernel(values, rng.normal(0.0, 0.2, 6).astype(np.float32))


@pytest.fixture(scope="module")
def long_tailed():
    """Within 1.5 but for one value in two hundred, which reaches 20."""
    rng = np.random.default_rng(1)
    x = np.clip(rng.laplace(0.0, 0.3, (1, 12, 10, 8)), -1.5, 1.5)
    outliers = rng.random(x.shape) < 0.005
    x[outliers] = rng.choice([-20.0, 14.0, 20.0], outliers.sum())
    return x


def convolved(x, kernel):
    y = tf.nn.conv2d(x, kernel.on_grid.astype(np.float64), 1, "SAME").numpy()
    return y + kernel.bias


def parts_of(x, kernel):
    """The results of both branches, in real numbers."""
    unbiased = Kernel(kernel.values, np.zeros_like(kernel.bias))
    dense, outlier = split_reference(x, SPLIT)
    return convolved(dense, kernel), convolved(outlier, unbiased)


@pytest.fixture(scope="module")
def reach(kernel, long_tailed):
    dense, outlier = parts_of(long_tailed, kernel)
    return Reach(
        *(float(np.abs(y).max()) for y in (dense, outlier, convolved(long_tailed, kernel)))
    )


def run(content, x, reach):
    codes = np.rint(x / SPLIT.wide.scale).astype(np.int16)
    return open_model(content, delegate="builtin").run(codes) * reach.wide.scale


def test_the_file_adds_two_convolutions_of_an_exact_split(kernel, long_tailed, reach):
    content = dual_branch_layer(kernel, SPLIT, reach=reach, **SIZE)
    audit = audit_model(content)
    assert audit.ops == {"QUANTIZE": 5, "SUB": 1, "CONV_2D": 2, "ADD": 1}
    assert audit.float_tensors == 0
    expected = np.zeros((1, 12, 10, 6))
    for part, largest in zip(parts_of(long_tailed, kernel), (reach.dense, reach.outlier)):
        expected += np.rint(part / (largest / 127)) * (largest / 127)
    apart = np.abs(run(content, long_tailed, reach) - expected)
    # A tie in a branch may go either way; all else is a step or two of 16 bits.
    near = apart <= 2.0 * reach.wide.scale
    assert near.mean() > 0.97
    assert (apart <= 1.01 * (reach.dense + reach.outlier) / 127).all()


def test_two_branches_are_nearer_than_one_and_sixteen_bits_are_nearest(kernel, long_tailed, reach):
    exact = convolved(long_tailed, kernel)
    single, dual, wide = (
        np.sqrt(
            np.mean(
                (run(make(kernel, SPLIT, reach=reach, **SIZE), long_tailed, reach) - exact) ** 2
            )
        )
        for make in (single_layer, dual_branch_layer, wide_layer)
    )
    assert dual < 0.5 * single
    assert wide < 0.1 * dual


@given(
    largest=st.floats(1.0, 100.0),
    share=st.floats(0.01, 0.6),
    seed=st.integers(0, 1000),
)
def test_the_split_adds_up_and_most_of_the_rest_is_nothing(largest, share, seed):
    split = Split(largest, share * largest)
    # The dense grid is a whole number of 16-bit steps, so that it goes back without rounding.
    steps = split.dense.scale / split.wide.scale
    assert steps == pytest.approx(round(steps), abs=1e-9)
    x = np.random.default_rng(seed).uniform(-largest, largest, 500)
    dense, outlier = split_reference(x, split)
    inside = np.abs(x) < 127 * split.dense.scale - split.dense.scale
    assert (outlier[inside] == 0.0).all()
    apart = np.abs(dense + outlier - x) - 0.51 * split.wide.scale
    assert (apart[inside] <= 0.51 * split.dense.scale).all()
    # Beyond, the coarse grid's step counts, and a code that two's complement has below -127.
    assert (apart <= 0.51 * split.outlier.scale + split.dense.scale).all()


@pytest.mark.parametrize("break_point", [0.0, -1.0, 20.0, 30.0, float("nan")])
def test_a_break_point_outside_of_the_tensor_is_refused(break_point):
    with pytest.raises(OptionError, match="between 0 and 20"):
        Split(20.0, break_point)
