import numpy as np
import pytest
import tensorflow as tf

from sr_models.importing.transposed import as_convolution


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("size", "stride"), [(9, 3), (9, 2), (4, 2), (3, 2), (2, 2), (5, 4), (3, 1)]
)
def test_a_transposed_convolution_is_a_convolution_and_depth_to_space(size, stride, padding):
    """Against TensorFlow's own, border included."""
    if padding == "valid" and size > stride:
        return
    rng = np.random.default_rng(0)
    picture = rng.normal(size=(2, 6, 5, 3)).astype(np.float32)
    kernel = rng.normal(size=(size, size, 2, 3)).astype(np.float32)
    shape = (2, 6 * stride, 5 * stride, 2)
    expected = tf.nn.conv2d_transpose(picture, kernel, shape, stride, padding.upper())
    small = as_convolution(kernel, stride=stride, padding=padding)
    found = tf.nn.conv2d(picture, small, 1, "SAME")
    found = tf.nn.depth_to_space(found, stride) if stride > 1 else found
    np.testing.assert_allclose(found, expected, atol=1e-4)
