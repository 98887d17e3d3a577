import pytest
import tf_keras

from export.quantizing.network_cost import PIXELS, network_cost, output_values
from export.running.kernel_cost import Convolution, values_cost
from export.running.targets import find_target
from sr_models.networks.layers import DepthToSpace
from tests.networks import conv


@pytest.fixture(scope="module")
def model():
    """A convolution at the small size, one at the large one, and a PReLU that is left behind."""
    picture = tf_keras.Input((None, None, 3), name="input")
    y = tf_keras.layers.PReLU(shared_axes=[1, 2], name="bent")(conv(32, "small")(picture))
    y = DepthToSpace(2, name="pixels")(y)
    return tf_keras.Model(picture, tf_keras.layers.ReLU(name="fused")(conv(3, "large")(y)))


def test_each_layer_counts_at_its_size(model):
    target = find_target("arm64-dotprod")
    expected = Convolution(PIXELS, 9, 3, 32).instructions(target.kernel)
    expected += Convolution(4 * PIXELS, 9, 8, 3).instructions(target.kernel)
    for operator, values in (
        ("PRELU", 32 * PIXELS),
        ("DEPTH_TO_SPACE", 32 * PIXELS),
        # Codes of both ends.
        ("QUANTIZE", 3 * PIXELS),
        ("QUANTIZE", 12 * PIXELS),
    ):
        expected += values_cost(operator, values=values, target=target)
    assert network_cost(model, target) == pytest.approx(expected)
    assert output_values(model) == 12 * PIXELS
