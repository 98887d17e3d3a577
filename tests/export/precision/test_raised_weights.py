import numpy as np
import pytest

from export.precision.raised_weights import stored_slopes, stored_weights
from sr_models.quantization.grids import Grid
from sr_models.quantization.simulator import quantized_kernel, quantized_slope
from sr_models.tflite.unpacked import unpack


def operators(content, name):
    model = unpack(content)
    return model, [op for op in model.graph.operators if op.name == name]


def test_weights_read_back_are_the_simulators(int8_network):
    network = int8_network("xlsr")
    model, convolutions = operators(network.content, "CONV_2D")
    by_layer = {layer.name: layer for layer in network.model.layers}
    for op, name in zip(convolutions, ("first", "mix", "block0_conv3")):
        stored = stored_weights(model, op)
        expected = quantized_kernel(by_layer[name].kernel).numpy().transpose(3, 0, 1, 2)
        np.testing.assert_allclose(stored.as_floats().kernel, expected, rtol=1e-5, atol=1e-7)
        assert stored.groups == by_layer[name].groups
        np.testing.assert_allclose(stored.bias, by_layer[name].bias.numpy(), atol=1e-3)


def test_a_bias_changes_its_steps_and_not_its_value(int8_network):
    model, (first, *_) = operators(int8_network("xlsr").content, "CONV_2D")
    stored = stored_weights(model, first)
    bias = stored.bias_on(Grid("int16", 1 / 255, 0))
    assert (np.abs(bias.codes * bias.scales - stored.bias) <= 0.501 * bias.scales).all()


@pytest.mark.parametrize(
    ("operator", "layer", "axes"),
    [("DEPTHWISE_CONV_2D", "depthwise", None), ("TRANSPOSE_CONV", "last_relu", (2, 0, 1, 3))],
)
def test_other_convolutions_keep_their_channels_apart(int8_network, operator, layer, axes):
    network = int8_network("rare", tail="none")
    layer = layer.removesuffix("_relu")
    model, (op,) = operators(network.content, operator)
    stored = stored_weights(model, op)
    kernel = network.model.get_layer(layer).get_weights()[0]
    kernel = kernel.reshape(stored.codes.shape) if axes is None else kernel.transpose(axes)
    step = stored.scales.max()
    assert np.abs(stored.as_floats().kernel - kernel).max() <= 0.51 * step
    assert stored.groups == 1


def test_slopes_read_back_are_the_simulators(int8_network):
    network = int8_network("fsrcnn")
    model, (op, *_) = operators(network.content, "PRELU")
    expected = quantized_slope(network.model.get_layer("first_prelu").alpha).numpy()
    np.testing.assert_allclose(stored_slopes(model, op), expected, atol=1e-6)
