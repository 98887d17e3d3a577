"""Quantization-aware training: what it settled on goes into the file and stays."""

import numpy as np
import onnx
import pytest
import tensorflow as tf

from export.exporting.conversion import convert_with_ranges
from export.methods.equalize import equalize
from export.quantizing.channels import find_channels
from export.quantizing.layer_inputs import convolutions
from export.quantizing.quantized_network import Evidence
from representative_data.dataset import RepresentativeDataset
from sr_models.importing.adoption import adopt
from sr_models.importing.onnx_file import load_onnx_file
from sr_models.importing.operations import Network, Operation
from sr_models.importing.simplification import simplified
from sr_models.importing.source_check import Source
from sr_models.importing.source_grids import grid_values, with_checked_steps, with_steps
from sr_models.networks.graph import quantized_points
from sr_models.networks.tails import attach_tail
from sr_models.quantization.integer_network import simulate_builtin
from sr_models.quantization.ranges import TensorRange
from sr_models.quantization.weight_grids import GridConvolution
from tests.onnx_files import Graph

RNG = np.random.default_rng(4)
SHAPES = {"first": (3, 3, 3, 8), "second": (3, 3, 8, 8), "last": (3, 3, 8, 12)}
KERNELS = {name: RNG.normal(0.0, 0.2, shape).astype(np.float32) for name, shape in SHAPES.items()}
PICTURES = [RNG.integers(0, 256, (48, 48, 3), dtype=np.uint8) for _ in range(2)]


def trained(x):
    """A network as quantization-aware training leaves it, per-channel kernels and all."""

    def tensor(y, low, high):
        return tf.quantization.fake_quant_with_min_max_vars(y, low, high)

    def convolved(y, name):
        most = np.abs(KERNELS[name]).max(axis=(0, 1, 2))
        kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            KERNELS[name], -most, most, num_bits=8, narrow_range=True
        )
        return tf.nn.conv2d(y, kernel, 1, "SAME")

    y = tensor(tf.nn.relu(convolved(tensor(x, 0.0, 1.0), "first") + 0.1), 0.0, 3.0)
    z = tensor(tensor(tf.nn.relu(convolved(y, "second")), 0.0, 6.0) + y, -0.5, 7.0)
    picture = tf.nn.depth_to_space(convolved(z, "last") * 0.05 + 0.3, 2)
    return tf.clip_by_value(tensor(picture, 0.0, 1.0), 0.0, 1.0)


def trained_file(path):
    """The same structure in ONNX: pairs behind tensors, stored integers behind weights."""
    graph = Graph()

    def tensor(x, step, zero):
        numbers = graph.held(np.float32(step)), graph.held(zero)
        return graph.node("DequantizeLinear", graph.node("QuantizeLinear", x, *numbers), *numbers)

    def convolved(x, name):
        kernel = KERNELS[name].transpose(3, 2, 0, 1)
        steps = (np.abs(kernel).max(axis=(1, 2, 3)) / 127).astype(np.float32)
        codes = np.rint(kernel / steps[:, None, None, None]).astype(np.int8)
        zeros = graph.held(np.zeros(len(steps), np.int8))
        weights = graph.node(
            "DequantizeLinear", graph.held(codes), graph.held(steps), zeros, axis=0
        )
        return graph.node("Conv", x, weights, pads=[1] * 4)

    x = tensor("input", 1 / 255, np.uint8(0))
    y = tensor(graph.node("Relu", convolved(x, "first")), 3 / 255, np.int8(-128))
    z = tensor(graph.node("Relu", convolved(y, "second")), 6 / 255, np.int8(-128))
    z = tensor(graph.node("Add", z, y), 7.5 / 255, np.int8(-111))
    y = graph.node("DepthToSpace", convolved(z, "last"), blocksize=2, mode="CRD")
    onnx.save(graph.model(tensor(y, 1 / 255, np.uint8(0))), path)
    return load_onnx_file(path)


def of_graph(tmp_path):
    return adopt(trained, (1, None, None, 3), PICTURES, name="trained", pixels="0..1")


def of_file(tmp_path):
    file = trained_file(tmp_path / "trained.onnx")
    source = Source(file, file.dtype)
    return adopt(file, file.input_shape, PICTURES, name="trained", pixels="0..1", source=source)


@pytest.mark.parametrize("source", [of_graph, of_file])
def test_ranges_and_grids_are_the_sources_and_no_method_moves_them(source, tmp_path):
    adopted = source(tmp_path)
    assert adopted.source_ranges == {"tensor_ranges": 3, "kernel_grids": 3}
    assert "without the rounding of its tensors" in str(adopted.check)
    model = attach_tail(adopted.trunk, "relu", scale=2)
    kernels = [layer for layer in model.layers if isinstance(layer, GridConvolution)]
    assert len(kernels) == 3 and not convolutions(model) and not find_channels(model)
    for layer in kernels:
        codes = layer.kernel.numpy() / np.float32(layer.scales)
        np.testing.assert_allclose(codes, np.rint(codes), atol=1e-2)
    equalized = equalize(model, np.stack(PICTURES).astype(np.float32) / 255)
    for before, after in zip(model.get_weights(), equalized.get_weights()):
        np.testing.assert_array_equal(before, after)
    dataset = RepresentativeDataset(PICTURES, [], "natural", "test", "", 2)
    ranges = Evidence(dataset, PICTURES).observe(model)
    wide = {(round(r.minimum, 2), round(r.maximum, 2)) for r in ranges.values()}
    assert {(0.0, 3.0), (0.0, 6.0)} <= wide and (-0.5, 7.0) in {
        (low, round(high, 1)) for low, high in wide
    }
    assert set(ranges) == set(quantized_points(model))


def test_the_file_has_them_code_for_code(tmp_path):
    from export.running.interpreters import open_model

    model = attach_tail(of_graph(tmp_path).trunk, "relu", scale=2)
    dataset = RepresentativeDataset(PICTURES, [], "natural", "test", "", 2)
    ranges = Evidence(dataset, PICTURES).observe(model)
    content = convert_with_ranges(model, ranges, sample=PICTURES[0], height=48, width=48)
    found = open_model(content, delegate="builtin").run(PICTURES[0][None])
    np.testing.assert_array_equal(found, simulate_builtin(model, ranges)(PICTURES[0][None]))
    # What training computed, its own rounding included.
    expected = np.asarray(trained(tf.constant(PICTURES[0][None] / np.float32(255))))
    apart = np.abs(found / 255.0 - expected)
    assert np.quantile(apart, 0.99) <= 1.01 / 255


def chain(*operations):
    network = Network()
    name = network.add(Operation("input", "input", (), 4))
    for kind, values in operations:
        name = network.add(Operation(kind, kind, (name,), 4, values))
    network.output = name
    return network


def convolution(kernel, **values):
    plain = {"bias": np.zeros(4, np.float32), "padding": "same", "dilation": (1, 1), "groups": 1}
    return "convolution", {"kernel": kernel, **plain, **values}


KERNEL = RNG.integers(-127, 128, (1, 1, 4, 4)).astype(np.float32) / 64
STEPS = np.float32([1 / 64])


def test_a_factor_moves_a_range_and_steps_along():
    scale = {"factor": np.full(4, 2.0, np.float32), "shift": np.zeros(4, np.float32)}
    values = with_steps(convolution(KERNEL)[1], STEPS)
    network = chain(("convolution", values), ("grid", grid_values(-1.0, 3.0)), ("affine", scale))
    small = with_checked_steps(simplified(network))
    first, grid = list(small)[1:]
    np.testing.assert_allclose(first["scales"], 2 / 64)
    assert (grid["minimum"], grid["maximum"]) == (-2.0, 6.0)


def test_what_a_factor_by_channel_brings_off_its_grid_is_known_no_more():
    scale = {"factor": np.float32([1.0, 2.0, 3.0, 4.1]), "shift": np.zeros(4, np.float32)}
    values = with_steps(convolution(KERNEL)[1], STEPS)
    before = chain(("affine", scale), ("convolution", values))
    assert "scales" not in list(with_checked_steps(simplified(before)))[1].values
    behind = chain(("convolution", values), ("grid", grid_values(-1.0, 3.0)), ("affine", scale))
    assert [operation.kind for operation in simplified(behind)][1:] == ["convolution"]
    off = with_steps(convolution(KERNEL + np.float32(0.004))[1], STEPS)
    assert "scales" not in off


def test_a_range_of_nothing_is_none():
    assert grid_values(0.0, 0.0) is None and grid_values(np.nan, 1.0) is None
    assert TensorRange(**grid_values(0.5, 2.0)).minimum == 0.0
