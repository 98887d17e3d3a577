from functools import cache

import numpy as np
import pytest

from export.exporting.conversion import convert_with_ranges
from export.inspecting.audit import audit_model, missing_ranges
from export.methods.dfsq_static import with_dfsq_weights
from export.methods.equalize import ROOM
from export.quantizing.recipe import parse_recipe
from export.running.interpreters import open_model
from sr_models.networks.network import build_trunk
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from sr_models.published.dfsq import quantized_weights, weight_codes
from sr_models.quantization.integer_network import simulate_builtin
from sr_models.tflite.unpacked import unpack
from tests.families import random_weights
from tests.tensor_codes import apart


@pytest.fixture(scope="module")
def edsr():
    preset = Preset("tiny_edsr_x2", "edsr", {"scale": 2, "width": 6, "blocks": 1}, "for tests")
    return attach_tail(random_weights(build_trunk(preset)), "relu", scale=2)


@pytest.fixture(scope="module")
def made(edsr, evidence):
    """The network of a recipe, and the file of it at the pictures' size: `made(recipe)`."""

    @cache
    def make(recipe: str):
        network = parse_recipe(recipe).apply(edsr, evidence)
        content = convert_with_ranges(
            network.model, network.ranges, sample=evidence.pictures[0], height=32, width=32
        )
        return network, content

    return make


def int8_kernels(content):
    tables = unpack(content).tables
    graph = tables.subgraphs[0]
    for operator in graph.operators:
        tensors = [graph.tensors[i] for i in operator.inputs]
        if len(tensors) == 3 and len(tensors[1].shape) == 4:
            data = bytes(tables.buffers[tensors[1].buffer].data)
            codes = np.frombuffer(data, np.int8).reshape(tensors[1].shape)
            yield np.asarray(tensors[1].quantization.scale), codes.transpose(1, 2, 3, 0)


@pytest.mark.parametrize("bits", [4, 6])
def test_weights_of_few_bits_are_int8_codes_exactly(bits, made):
    network, content = made(f"dfsq-static-w{bits}")
    assert audit_model(content).full_integer
    assert missing_ranges(content, network.ranges) == []
    scaled = made("dfsq-static")[0].model
    kernels = list(int8_kernels(content))
    for name in ("block0_conv0", "block0_conv1"):
        codes, step = weight_codes(scaled.get_layer(name).get_weights()[0], bits=bits)
        assert np.abs(codes).max() < 2**bits
        assert any(
            np.allclose(scales, step, rtol=1e-6) and np.array_equal(held, codes)
            for scales, held in kernels
            if scales.shape == step.shape and held.shape == codes.shape
        ), name


def test_the_kernels_are_dfsqs(edsr):
    dfsq = with_dfsq_weights(edsr, bits=4)
    for name in ("block0_conv0", "block0_conv1"):
        kernel = edsr.get_layer(name).get_weights()[0]
        found = dfsq.get_layer(name).get_weights()[0]
        np.testing.assert_allclose(found, quantized_weights(kernel, bits=4), atol=1e-6)
    # Head and tail are none of the body.
    for name in ("first", "last_relu"):
        np.testing.assert_array_equal(
            dfsq.get_layer(name).get_weights()[0], edsr.get_layer(name).get_weights()[0]
        )


def test_at_eight_bits_kernels_stay_where_codes_would_not_fit(edsr):
    dfsq = with_dfsq_weights(edsr, bits=8)
    kernel = edsr.get_layer("block0_conv0").get_weights()[0]
    codes, _ = weight_codes(kernel, bits=8)
    assert np.abs(codes).max() > 127
    np.testing.assert_array_equal(dfsq.get_layer("block0_conv0").get_weights()[0], kernel)


def test_scales_are_folded_without_changing_the_function(edsr, evidence, made):
    network, _ = made("dfsq-static")
    x = np.stack(evidence.pictures).astype(np.float32) / 255.0
    np.testing.assert_allclose(network.model(x), edsr(x), atol=1e-4)
    # Channels reach 1, and there is a little room; those of the trunk share their scales.
    reach = {n: max(-r.minimum, r.maximum) for n, r in network.ranges.items()}
    assert reach["block0_conv0"] == pytest.approx(ROOM, abs=1e-3)
    trunk = [reach[n] for n in ("first", "block0_conv1", "block0_add", "body_last", "long_skip")]
    assert max(trunk) == pytest.approx(ROOM, abs=1e-3)


@pytest.mark.parametrize("recipe", ["dfsq-static", "dfsq-static-w4"])
def test_the_builtin_file_is_its_integer_simulation_and_no_worse_at_the_border(
    recipe, edsr, evidence, made
):
    """A scale that padding does not share would show in the outermost pixels alone."""
    (network, content), pictures = made(recipe), evidence.pictures
    runner = open_model(content, delegate="builtin")
    found = np.concatenate([runner.run(picture[None]) for picture in pictures])
    assert found.std() > 20.0, "a network with something to compute"
    simulated = simulate_builtin(network.model, network.ranges)(np.stack(pictures))
    for difference in apart(found, simulated, border=2).values():
        assert not difference.any()
    x = np.stack(pictures).astype(np.float32) / 255.0
    exact = np.rint(255.0 * np.clip(edsr(x).numpy(), 0.0, 1.0)).astype(int)
    # The field of this network reaches twelve pixels of its output.
    error = {place: np.mean(d) for place, d in apart(found, exact, border=12).items()}
    assert error["border"] < 1.25 * error["interior"]
