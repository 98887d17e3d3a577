"""Channels that never say anything take over half of those that say most.

Outlier channel splitting (Zhao et al., "Improving Neural Network Quantization without Retraining
using Outlier Channel Splitting", ICML 2019, arXiv 1901.09504, section 3): a channel is written
twice, and whoever reads it reads half of each. Where the second copy is moved by half a step, the
two round differently and their mean has steps of half the size ("quantization-aware splitting"
there). The paper splits outliers and makes layers wider. Here layers keep their width: trained
networks hold channels whose ReLU never opens, and these are given to the channels whose rounding
costs the output most. In networks that carry the picture itself through every layer, those are
three.

A channel counts as unused that stays 0 on every picture, in nature's colours and in others. With k
copies, moved by 0, 1/k, ... of a step, the mean of all has an error of s^2 / (12 k^2).
"""

from __future__ import annotations

import numpy as np
import tf_keras

from export.methods.adaround import in_more_colours
from export.methods.equalize import PICTURES, PROBES
from export.quantizing.channels import Channel, channel_ranges, channel_sensitivities, find_channels
from export.quantizing.quantized_network import Evidence, QuantizedNetwork, clone
from export.quantizing.registry import register_method
from sr_models.networks.graph import points, require_own_layers
from sr_models.quantization.ranges import TensorRanges

LEAST_SHARE = 0.02
"""Of its tensor's cost, that a channel must have at least to be split."""


def splittable(model) -> dict[str, dict[int, Channel]]:
    """Channels that can be written twice: point -> channel -> where it stands.

    One convolution with a bias makes it, with a ReLU of its own; convolutions with biases read it.
    """
    graph = points(model)
    found: dict[str, dict[int, Channel]] = {}
    for channel in find_channels(model):
        layers = [model.get_layer(name) for name, _ in (*channel.producers, *channel.readers)]
        stored = [name for name, _ in channel.tensors if _has_relu(graph, name)]
        if (
            len(channel.producers) == 1
            and len({c for _, c in channel.tensors}) == 1
            and len(stored) == 1
            and all(_is_convolution_or_relu(graph[name].layer) for name, _ in channel.tensors)
            and all(layer.use_bias and layer.groups == 1 for layer in layers)
        ):
            found.setdefault(stored[0], {})[channel.tensors[0][1]] = channel
    return found


def _has_relu(graph, name: str) -> bool:
    layer = graph[name].layer
    if isinstance(layer, tf_keras.layers.ReLU):
        return True
    return getattr(getattr(layer, "activation", None), "__name__", "") == "relu"


def _is_convolution_or_relu(layer) -> bool:
    return isinstance(layer, (tf_keras.layers.Conv2D, tf_keras.layers.ReLU))


def allot_copies(costs: np.ndarray, spare: int) -> np.ndarray:
    """Copies for each channel that lower the sum of cost / copies^2 most: int (C,), at least 1.

    Args:
        costs: float64 (C,), of each channel's rounding.
        spare: Copies beyond the first that may be made in all.
    """
    copies = np.ones(len(costs), int)
    worth = costs > LEAST_SHARE * costs.sum()
    for _ in range(spare):
        gains = np.where(worth, costs / copies**2.0 - costs / (copies + 1.0) ** 2, 0.0)
        if not gains.any():
            break
        copies[gains.argmax()] += 1
    return copies


def split(model, ranges: TensorRanges, pictures: np.ndarray, *, seed: int = 0):
    """A copy of the network with costly channels written several times into unused ones.

    The function changes by nothing inside of the picture, but for float rounding, and by less than
    a step of the split tensor at its border, where zero padding knows nothing of the shifts.

    Args:
        model: Float functional Keras model in its deployed form.
        ranges: What its tensors are stored with; their steps decide the shifts.
        pictures: float32 (N, h, w, 3) in 0..1, on which no unused channel may open.
        seed: Seed of colours and of the random directions of derivatives.

    Returns:
        The copy; the network itself where no channel is unused.

    Raises:
        NetworkError: A layer with weights is called more than once.
    """
    require_own_layers(model)
    copy = clone(model)
    places = {name: found for name, found in splittable(copy).items() if name in ranges}
    # What is unused shows in more colours than pictures of nature have.
    seen = channel_ranges(copy, list(places), in_more_colours(pictures, seed=seed))
    unused = {
        name: [c for c in channels if seen[name][1][c] <= 0.0] for name, channels in places.items()
    }
    places = {name: channels for name, channels in places.items() if unused[name]}
    if not places:
        return model
    costs = channel_sensitivities(copy, list(places), pictures[:PROBES], seed=seed)
    for name, channels in places.items():
        spare = unused[name]
        used = [c for c in channels if c not in spare]
        copies = allot_copies(costs[name][used], len(spare))
        for c, count in zip(used, copies.tolist()):
            taken, spare = spare[: count - 1], spare[count - 1 :]
            _write_again(copy, channels, c, into=taken, step=ranges[name].scale)
    return copy


def _write_again(model, channels: dict[int, Channel], c: int, *, into: list[int], step: float):
    if not into:
        return
    channel, count = channels[c], len(into) + 1
    shifts = step * np.arange(1, count) / count
    ((producer, _),) = channel.producers
    layer = model.get_layer(producer)
    kernel, bias = layer.get_weights()
    kernel[..., into] = kernel[..., [c]]
    bias[into] = bias[c] + shifts
    layer.set_weights([kernel, bias])
    for reader, _ in channel.readers:
        layer = model.get_layer(reader)
        kernel, bias = layer.get_weights()
        share = kernel[:, :, c] / count
        kernel[:, :, [c, *into]] = share[:, :, None]
        bias -= share.sum(axis=(0, 1)) * shifts.sum()
        layer.set_weights([kernel, bias])


@register_method("split", stage="network", source="Zhao et al. 2019, arXiv 1901.09504, section 3")
def split_channels(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Unused channels given to those whose rounding costs most, half a step apart."""
    model = split(network.model, network.ranges, evidence.stack(PICTURES), seed=evidence.seed)
    return QuantizedNetwork(model, network.ranges)
