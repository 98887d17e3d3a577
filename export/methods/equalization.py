"""Cross-layer equalization: channels of one tensor are made to span its range alike.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019
(arXiv 1906.04721), section 4.1: for a positively homogeneous f (ReLU, PReLU, identity),
W2 f(W1 x) = (W2 / g) f((g W1) x) with one factor g > 0 for each channel between the two. There the
weights of both layers are balanced, since one scale serves a whole kernel. In TFLite every output
channel has a scale of its own, so a factor costs the first layer nothing; what is uneven is the
activation, whose channels share one scale. The factors therefore are those of SmoothQuant (Xiao et
al., arXiv 2211.10438, equation 4) turned around: each channel is stretched towards the range of the
widest one.

Between a linear layer and a 1x1 convolution a channel may be shifted as well (the absorption of
biases, section 4.1.3 of Nagel et al.): W2 x + b2 = W2 (x - c) + (b2 + W2 c). With zero padding that
would be wrong at the picture's border, so larger kernels are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import tf_keras

from export.methods.quantized_network import Evidence, QuantizedNetwork, clone
from export.methods.registry import register_method
from representative_data.observation import pin_pixels
from representative_data.probe import probe_layers
from sr_models.graph import points
from sr_models.int8.ranges import TensorRange, TensorRanges

PICTURES = 64
BATCH = 8
STRENGTH = 0.75
"""Less than 1: what a channel gains in its activation, the next layer loses in its weights."""
ROOM = 1.05
LARGEST_GAIN = 64.0
"""A channel that hardly moves would else have its rounding error in the next layer's weights."""


@dataclass(frozen=True)
class Pair:
    """A convolution and everything that reads its output.

    Attributes:
        producer: Name of the point that the first convolution makes.
        stored: Name of the point whose range the channels share: itself, its activation, or the
            concatenation that it is part of.
        readers: (name of a convolution's point, first input channel there).
        linear: Whether no activation stands between.
    """

    producer: str
    stored: str
    readers: tuple[tuple[str, int], ...]
    linear: bool


def find_pairs(model) -> list[Pair]:
    """Every convolution whose output only convolutions read, in the order of computation."""
    graph = points(model)
    found = []
    for name, point in graph.items():
        if type(point.layer) is not tf_keras.layers.Conv2D:
            continue
        activation = point.layer.activation.__name__
        path = _follow(graph, name, 0) if activation in ("linear", "relu") else None
        if path is None:
            continue
        stored, readers, activated = path
        linear = activation == "linear" and not activated
        found.append(Pair(name, stored, tuple(readers), linear))
    return found


def _follow(graph, name, offset):
    """(stored point, readers, whether an activation was passed), or `None` for a dead end."""
    readers, stored, activated = [], name, False
    for consumer in graph[name].consumers:
        point = graph[consumer]
        if type(point.layer) is tf_keras.layers.Conv2D:
            readers.append((consumer, offset))
            continue
        homogeneous = _is_homogeneous(point.layer)
        if not (homogeneous or point.concatenates) or point.inputs.count(name) != 1:
            return None
        # One path only: a tensor that is stored twice would have to be stretched in both.
        if len(graph[name].consumers) > 1:
            return None
        before = point.inputs[: point.inputs.index(name)]
        begin = offset + sum(graph[i].tensor.shape[-1] for i in before)
        path = _follow(graph, consumer, begin)
        if path is None:
            return None
        stored, deeper, later = path
        readers += deeper
        activated = activated or homogeneous or later
    return (stored, readers, activated) if readers else None


def _is_homogeneous(layer) -> bool:
    if isinstance(layer, tf_keras.layers.ReLU):
        return layer.max_value is None and not layer.threshold
    return isinstance(layer, tf_keras.layers.PReLU)


def channel_ranges(model, names: list[str], pictures: np.ndarray) -> dict[str, tuple]:
    """Least and greatest value of each channel: name -> (float64 (C,), float64 (C,)).

    Args:
        model: Float network.
        names: Names of points.
        pictures: float32 (N, h, w, 3) in 0..1.
    """
    graph = points(model)
    watched = tf_keras.Model(model.input, [graph[name].tensor for name in names])
    low = dict.fromkeys(names, np.inf)
    high = dict.fromkeys(names, -np.inf)
    for first in range(0, len(pictures), BATCH):
        tensors = watched(pictures[first : first + BATCH], training=False)
        for name, tensor in zip(names, tensors if len(names) > 1 else [tensors]):
            values = np.asarray(tensor, np.float64)
            low[name] = np.minimum(low[name], values.min(axis=(0, 1, 2)))
            high[name] = np.maximum(high[name], values.max(axis=(0, 1, 2)))
    return {name: (low[name], high[name]) for name in names}


def _stretch(model, pair: Pair, gain: np.ndarray, shift: np.ndarray) -> None:
    """Replace the tensor x between by (x - shift) * gain, without changing the function."""
    first = model.get_layer(pair.producer)
    weights = first.get_weights()
    weights[0] = weights[0] * gain
    if first.use_bias:
        weights[1] = (weights[1] - shift) * gain
    first.set_weights(weights)
    for name, offset in pair.readers:
        layer = model.get_layer(name)
        weights = layer.get_weights()
        kernel = weights[0].astype(np.float64)
        inputs, outputs = kernel.shape[2], kernel.shape[3] // layer.groups
        for channel, (factor, moved) in enumerate(zip(gain, shift), start=offset):
            group, place = divmod(channel, inputs)
            reads = np.s_[:, :, place, group * outputs : (group + 1) * outputs]
            if moved:
                weights[1][reads[3]] += kernel[reads].sum(axis=(0, 1)) * moved
            kernel[reads] /= factor
        weights[0] = kernel
        layer.set_weights(weights)


def _may_shift(model, pair: Pair) -> bool:
    layers = [model.get_layer(name) for name, _ in pair.readers]
    return (
        pair.linear
        and model.get_layer(pair.producer).use_bias
        and all(layer.use_bias and set(layer.kernel_size) == {1} for layer in layers)
    )


def equalize(model, pictures: np.ndarray, *, strength: float = STRENGTH):
    """A copy of the network that computes the same with evenly used ranges.

    Args:
        model: Float functional Keras model in its deployed form.
        pictures: float32 (N, h, w, 3) in 0..1, on which channels are observed.
        strength: 0 leaves channels as wide as they are, 1 makes all as wide as the widest.
    """
    copy = clone(model)
    graph, pairs = points(copy), find_pairs(copy)
    if not pairs:
        return copy
    names = list(dict.fromkeys(p.stored for p in pairs))
    observed = channel_ranges(copy, names, pictures)
    by_tensor = {name: [p for p in pairs if p.stored == name] for name in names}
    for name, members in by_tensor.items():
        low, high = observed[name]
        shift, gain = np.zeros_like(low), np.ones_like(low)
        places = {p: _place(graph, p) for p in members}
        for pair, place in places.items():
            if _may_shift(copy, pair):
                shift[place] = (low[place] + high[place]) / 2.0
        reach = np.maximum(high - shift, shift - low)
        for place in places.values():
            wanted = reach.max() / np.maximum(reach[place], reach.max() / LARGEST_GAIN)
            gain[place] = wanted**strength
        for pair, place in places.items():
            _stretch(copy, pair, gain[place], shift[place])
    return copy


def _place(graph, pair: Pair) -> slice:
    """The producer's channels in the tensor that is stored."""
    width = graph[pair.producer].tensor.shape[-1]
    if not _concatenation_between(graph, pair):
        return slice(0, width)
    # Every reader of a concatenation reads it from its first channel on.
    (offset,) = {offset for _, offset in pair.readers}
    return slice(offset, offset + width)


def _concatenation_between(graph, pair: Pair) -> bool:
    name = pair.producer
    while name != pair.stored:
        (name,) = graph[name].consumers
        if graph[name].concatenates:
            return True
    return False


def with_room(ranges: TensorRanges, model, evidence: Evidence) -> TensorRanges:
    """Ranges that hold natural pictures too, and a little more.

    A channel that is narrower than its tensor has room for values that calibration did not see;
    equalized channels have none left, so the tensor must have it.
    """
    pixels = pin_pixels(TensorRanges({}, ""), model)
    seen = probe_layers(model, list(evidence.pictures)).union()
    wider = {}
    for name, value in ranges.items():
        if name not in pixels:
            whole = value.union(TensorRange(*seen[name]))
            wider[name] = replace(whole, minimum=ROOM * whole.minimum, maximum=ROOM * whole.maximum)
    return ranges.replacing(wider)


@register_method(
    "equalize", stage="network", source="Nagel et al. 2019, arXiv 1906.04721, section 4.1"
)
def equalized(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Every channel as wide as the widest of its tensor, where layers allow it exactly."""
    model = equalize(network.model, evidence.stack(PICTURES))
    return QuantizedNetwork(model, with_room(evidence.observe(model), model, evidence))
