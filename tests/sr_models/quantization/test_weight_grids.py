import numpy as np
import pytest
import tf_keras

from export.exporting.conversion import convert_with_ranges
from export.inspecting.audit import audit_model
from representative_data.dataset import RepresentativeDataset
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.ground.errors import CalibrationError
from sr_models.networks.network import build_trunk
from sr_models.networks.tails import attach_tail
from sr_models.quantization.weight_grids import with_weight_scales
from sr_models.tflite.unpacked import unpack
from tests.families import random_weights
from tests.networks import sharpening_network


@pytest.fixture(scope="module")
def network(tiny_preset):
    return attach_tail(random_weights(build_trunk(tiny_preset)), "relu", scale=3)


def kernels_of(content):
    """Scales (C,) and codes int8 (C, h, w, inputs) of every convolution of a file."""
    tables = unpack(content).tables
    graph, found = tables.subgraphs[0], []
    for operator in graph.operators:
        tensors = [graph.tensors[i] for i in operator.inputs]
        if len(tensors) == 3 and len(tensors[1].shape) == 4:
            kernel = tensors[1]
            codes = np.frombuffer(bytes(tables.buffers[kernel.buffer].data), np.int8)
            found.append((np.asarray(kernel.quantization.scale), codes.reshape(kernel.shape)))
    return found


def test_the_file_holds_codes_and_scales_as_they_were_given(network):
    """Grouped convolutions too; the largest weight lies at code 100, not at 127."""
    convolutions = [x for x in network.layers if type(x) is tf_keras.layers.Conv2D]
    scales = {
        x.name: np.full(x.filters, np.abs(x.get_weights()[0]).max() / 100) for x in convolutions
    }
    picture = np.random.default_rng(3).integers(30, 220, (16, 24, 3), dtype=np.uint8)
    natural = RepresentativeDataset([picture], [], "natural", "test", "", 3)
    ranges = pin_pixels(observe_ranges(network, natural), network)
    written = with_weight_scales(network, scales)
    content = convert_with_ranges(written, ranges, sample=picture, height=16, width=24)
    assert audit_model(content).full_integer
    found = kernels_of(content)
    assert len(found) == len(convolutions) == 9
    expected = {
        float(np.float32(scales[x.name][0])): np.rint(x.get_weights()[0] / scales[x.name])
        for x in convolutions
    }
    for steps, codes in found:
        nearest = min(expected, key=lambda scale: abs(scale - steps[0]))
        np.testing.assert_allclose(steps, nearest, rtol=1e-6)
        np.testing.assert_array_equal(codes.transpose(1, 2, 3, 0), expected[nearest])
        assert np.abs(codes).max() == 100


def test_a_grid_of_its_own_moves_the_kernel_to_it():
    network = sharpening_network()
    name = next(x.name for x in network.layers if x.weights)
    layer = network.get_layer(name)
    coarse = with_weight_scales(network, {name: np.full(layer.filters, 0.1)})
    flat = np.full((1, 5, 5, 3), 0.5, np.float32)
    # 1.6 in the middle and -0.15 around it, four times: 1.6 - 4 * 0.1 or 1.6 - 4 * 0.2.
    centre = float(coarse(flat).numpy()[0, 5, 5, 0])
    assert min(abs(centre - 0.5 * 1.2), abs(centre - 0.5 * 0.8)) < 1e-5
    again = type(coarse).from_config(coarse.get_config())
    again.set_weights(coarse.get_weights())
    np.testing.assert_array_equal(again(flat).numpy(), coarse(flat).numpy())


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ({"nothing": np.ones(3)}, "found 'nothing'"),
        ({"last_relu": np.ones(5)}, r"found an array of shape \(5,\)"),
        ({"last_relu": np.zeros(12)}, "the least being 0"),
    ],
)
def test_scales_that_cannot_be(scales, message):
    with pytest.raises(CalibrationError, match=message):
        with_weight_scales(sharpening_network(), scales)
