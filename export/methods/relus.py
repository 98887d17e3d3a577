"""PReLU written as two ReLU, which int8 stores in finer steps and XNNPACK computes.

PReLU(x) = ReLU(x) - a ReLU(-x) with the slope a of each channel (He et al., arXiv 1502.01852,
equation 1). The convolution before makes both x and -x (the concatenated ReLU of Shang et al.,
arXiv 1603.05201), the convolutions behind read both, with kernels W and -a W: the function is the
same. A file with PReLU stores x itself, whose negative side is often several times wider than what
the slope leaves of it, so that steps are too coarse for the positive side. And TFLite's XNNPACK
delegate takes no PReLU of eight bits: each one splits the graph. The price is twice as many
products in the convolutions on both sides.
"""

from __future__ import annotations

import numpy as np
import tf_keras

from export.quantizing.quantized_network import Evidence, QuantizedNetwork, observe
from export.quantizing.registry import register_method
from sr_models.networks.graph import Point, output_name, points, rebuild, require_own_layers


def find_prelus(model) -> list[str]:
    """Names of the PReLU that can be written as two ReLU, in the order of computation."""
    graph = points(model)

    def is_plain(point: Point) -> bool:
        layer = point.layer
        return type(layer) is tf_keras.layers.Conv2D and layer.trainable and layer.groups == 1

    return [
        name
        for name, point in graph.items()
        if isinstance(point.layer, tf_keras.layers.PReLU)
        and set(point.layer.alpha.shape[:-1]) <= {1}
        and is_plain(source := graph[point.inputs[0]])
        and source.layer.activation.__name__ == "linear"
        and source.consumers == [name]
        and name != output_name(model)
        and all(is_plain(graph[consumer]) for consumer in point.consumers)
    ]


def as_relu_pairs(model):
    """The network with every PReLU of `find_prelus` as two ReLU; the network itself for none.

    Raises:
        NetworkError: A layer with weights is called more than once.
    """
    require_own_layers(model)
    graph, found = points(model), find_prelus(model)
    makers = {graph[name].inputs[0] for name in found}
    slopes = {
        reader: graph[name].layer.alpha.numpy().reshape(-1)
        for name in found
        for reader in graph[name].consumers
    }
    weights: dict[str, list[np.ndarray]] = {}

    def rewritten(layer):
        if layer.name in found:
            return lambda tensor: tensor
        if layer.name not in makers and layer.name not in slopes:
            return layer
        kernel, *bias = layer.get_weights()
        config = layer.get_config()
        if layer.name in slopes:
            slope = slopes[layer.name][:, None]
            kernel = np.concatenate([kernel, -slope * kernel], axis=2)
        if layer.name in makers:
            kernel = np.concatenate([kernel, -kernel], axis=3)
            bias = [np.concatenate([b, -b]) for b in bias]
            config |= {"filters": 2 * layer.filters, "activation": "relu"}
        weights[layer.name] = [kernel, *bias]
        return tf_keras.layers.Conv2D.from_config(config)

    if not found:
        return model
    made = rebuild(model, lambda _, tensor: tensor, replace_layer=rewritten)
    for name, values in weights.items():
        made.get_layer(name).set_weights(values)
    return made


@register_method(
    "relus",
    stage="network",
    source="Shang et al. 2016, arXiv 1603.05201, used backwards",
    changes_layers=True,
)
def with_relu_pairs(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """PReLU written as two ReLU: the same function in finer steps, and one XNNPACK partition."""
    model = as_relu_pairs(network.model)
    return network if model is network.model else observe(model, evidence)
