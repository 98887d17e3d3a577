"""PReLU written as two ReLU, which int8 stores in finer steps and XNNPACK computes.

PReLU(x) = ReLU(x) - a ReLU(-x) with the slope a of each channel (He et al., arXiv 1502.01852,
equation 1). The convolution before makes both x and -x (the concatenated ReLU of Shang et al.,
arXiv 1603.05201). A file with PReLU stores x itself, whose negative side is often several times
wider than what the slope leaves of it, so that steps are too coarse for the positive side. And
TFLite's XNNPACK delegate takes no PReLU of eight bits: each one splits the graph. A LeakyReLU, with
one slope for all channels, it takes, so that one stays as it is.

The two are read in one of two ways. The convolutions behind read both, with kernels W and -a W,
which rounds once less. Where that would take more time than the PReLU did, or something else reads
it, a 1x1 convolution of [1, -a] joins them again, and whatever reads PReLU reads that. (Joined
everywhere, FSRCNN x3 would lose 0.085 dB instead of 0.039.)
"""

from __future__ import annotations

import numpy as np
import tf_keras

from export.quantizing.quantized_network import Evidence, QuantizedNetwork, observe
from export.quantizing.registry import register_method
from sr_models.networks.graph import Point, output_name, points, rebuild, require_own_layers

MOST_PRODUCTS = 256
"""For each value that a PReLU makes, products that two ReLU may take in addition.

TFLite's kernel takes about 9 ns for a PReLU of eight bits, in which a core with AVX2 and without
VNNI convolves about 28 products a nanosecond: beyond it the file with PReLU is the faster one.
"""


def find_prelus(model) -> list[str]:
    """Names of the PReLU that are worth being two ReLU, in the order of computation."""
    graph = points(model)
    return [
        name
        for name, point in graph.items()
        if isinstance(point.layer, tf_keras.layers.PReLU)
        and set(point.layer.alpha.shape[:-1]) <= {1}
        and _is_plain(source := graph[point.inputs[0]])
        and source.layer.activation.__name__ == "linear"
        and source.consumers == [name]
        and name != output_name(model)
        and _made(source) + min(_read(graph, point), _joined(point)) <= MOST_PRODUCTS
    ]


def find_joined(model) -> list[str]:
    """Of `find_prelus` those whose two ReLU a 1x1 convolution joins.

    It rounds once more, so it stands only where the two would not be worth their products without.
    """
    graph = points(model)
    return [
        name
        for name in find_prelus(model)
        if _made(graph[graph[name].inputs[0]]) + _read(graph, graph[name]) > MOST_PRODUCTS
    ]


def _made(maker: Point) -> float:
    """Products that a second ReLU takes in the convolution before, for each value."""
    return float(np.prod(maker.layer.kernel.shape[:3]))


def _joined(point: Point) -> float:
    return 2.0 * point.tensor.shape[-1]


def _read(graph: dict[str, Point], point: Point) -> float:
    """Products that convolutions behind take for reading both; infinite where others read."""
    readers = [graph[consumer] for consumer in point.consumers]
    if not all(map(_is_plain, readers)):
        return np.inf
    return float(sum(np.prod(r.layer.kernel_size) * r.layer.filters for r in readers))


def _is_plain(point: Point) -> bool:
    layer = point.layer
    return type(layer) is tf_keras.layers.Conv2D and layer.trainable and layer.groups == 1


def as_relu_pairs(model):
    """The network with every PReLU of `find_prelus` as two ReLU; the network itself for none.

    Raises:
        NetworkError: A layer with weights is called more than once.
    """
    require_own_layers(model)
    graph, found, joined = points(model), find_prelus(model), find_joined(model)
    makers = {graph[name].inputs[0] for name in found}
    slopes = {name: graph[name].layer.alpha.numpy().reshape(-1) for name in found}
    read = {
        reader: slopes[name]
        for name in found
        if name not in joined
        for reader in graph[name].consumers
    }
    weights: dict[str, list[np.ndarray]] = {}

    def rewritten(layer):
        if layer.name in joined:
            both = np.concatenate([np.eye(len(slopes[layer.name])), -np.diag(slopes[layer.name])])
            weights[layer.name] = [both[None, None], np.zeros(both.shape[1])]
            return tf_keras.layers.Conv2D(both.shape[1], 1, name=layer.name)
        if layer.name in found:
            return lambda tensor: tensor
        if layer.name not in makers and layer.name not in read:
            return layer
        kernel, *bias = layer.get_weights()
        config = layer.get_config()
        if layer.name in read:
            slope = read[layer.name][:, None]
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
    stage="layers",
    source="Shang et al. 2016, arXiv 1603.05201, used backwards",
    changes_layers=True,
)
def with_relu_pairs(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """PReLU written as two ReLU: the same function in finer steps, and one XNNPACK partition."""
    model = as_relu_pairs(network.model)
    return network if model is network.model else observe(model, evidence)
