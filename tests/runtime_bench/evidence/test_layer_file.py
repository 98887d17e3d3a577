import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.inspecting.audit import audit_model
from export.running.interpreters import open_model
from runtime_bench.evidence.layer_file import Kernel, LayerFile, require_layer
from sr_models.ground.errors import OptionError
from sr_models.quantization.grids import Grid


@given(seed=st.integers(0, 10_000))
def test_a_kernel_lies_on_the_grid_of_each_channel(seed):
    rng = np.random.default_rng(seed)
    kernel = Kernel(rng.normal(0, 1, (3, 3, 2, 4)).astype(np.float32), np.zeros(4, np.float32))
    assert kernel.codes.shape == (4, 3, 3, 2)
    assert (np.abs(kernel.codes).reshape(4, -1).max(axis=1) == 127).all()
    assert (np.abs(kernel.on_grid - kernel.values) <= kernel.scales / 2 + 1e-6).all()


def test_a_file_computes_its_convolution():
    """1x1, one channel: (2 x + 0.5) with x = code / 10, on an output grid of 1/10."""
    kernel = Kernel(np.full((1, 1, 1, 1), 2.0, np.float32), np.full(1, 0.5, np.float32))
    file = LayerFile("test")
    x = file.tensor("x", (1, 1, 4, 1), Grid("int8", 0.1, 0))
    y = file.convolve(x, kernel, name="y", grid=Grid("int8", 0.1, 0))
    content = file.content([x], [y])
    assert audit_model(content).ops == {"CONV_2D": 1}
    codes = np.array([[[[-10], [0], [3], [100]]]], np.int8)
    found = open_model(content, delegate="builtin").run(codes)
    np.testing.assert_array_equal(found.ravel(), [-15, 5, 11, 127])


@pytest.mark.parametrize(
    ("kernel", "size", "message"),
    [
        (Kernel(np.zeros((3, 3, 2)), np.zeros(2)), 4, r"found \(3, 3, 2\)"),
        (Kernel(np.zeros((3, 3, 2, 4)), np.zeros(2)), 4, r"and \(2,\)"),
        (Kernel(np.zeros((3, 3, 2, 4)), np.zeros(4)), 0, "found 0x4"),
    ],
)
def test_a_layer_that_cannot_be(kernel, size, message):
    with pytest.raises(OptionError, match=message):
        require_layer(kernel, height=size, width=4)
