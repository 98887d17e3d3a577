"""What a network costs to run, counted from its layers."""

from __future__ import annotations

import math

import tf_keras

from sr_models.networks.graph import points, rebuild

HEIGHT, WIDTH = 360, 640
"""The input size that figures are given for: 1080p at x3, as in the mobile SR challenges."""

_layers = tf_keras.layers


def multiply_adds(model, *, height: int = HEIGHT, width: int = WIDTH) -> int:
    """Multiplications by weights of convolutions and dense layers; nothing is run.

    Each comes with one addition, hence the name. Biases, activations (slopes of a PReLU too),
    additions and moved pixels are left out, as is usual; padded zeros are counted, as is usual too.

    Args:
        model: Functional Keras network (N, H, W, C). Figures of presets are those of the deployed
            trunk, since an output tail is a choice of the export.
        height: Input height in pixels.
        width: Input width in pixels.

    Raises:
        TypeError: A layer has weights, and what it does with them is not known here.
    """
    shape = (1, height, width, model.input.shape[-1])
    graph = points(rebuild(model, lambda _, tensor: tensor, batch_shape=shape))
    return sum(
        _weight_uses(point.layer, graph[point.inputs[0]].tensor.shape, point.tensor.shape)
        for point in graph.values()
        if point.layer is not None
    )


def _weight_uses(layer, shape_in, shape_out) -> int:
    if not layer.weights or isinstance(layer, _layers.PReLU):
        return 0
    if isinstance(layer, _layers.Conv2DTranspose):
        # Every input pixel meets every weight once. Tools that count the whole kernel for every
        # output pixel count the zeros between input pixels too.
        return math.prod(shape_in[1:3]) * math.prod(layer.kernel.shape)
    if isinstance(layer, _layers.DepthwiseConv2D):
        return math.prod(shape_out[1:3]) * math.prod(layer.depthwise_kernel.shape)
    # The kernel of a grouped convolution has the input channels of one group only.
    if isinstance(layer, (_layers.Conv2D, _layers.Dense)):
        return math.prod(shape_out[1:-1]) * math.prod(layer.kernel.shape)
    raise TypeError(
        f"expected convolutions and dense layers, found {type(layer).__name__} {layer.name}; "
        "give the deployed form, or teach sr_models.networks.cost this layer"
    )
