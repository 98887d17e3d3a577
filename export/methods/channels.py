"""Channels of a network that can be stretched by a factor without changing its function."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import tf_keras

from sr_models.graph import INPUT, output_name, points


@dataclass
class Channel:
    """Everything that must be stretched by one factor for the function to stay.

    Attributes:
        producers: (convolution, output channel) that make it.
        tensors: (point, channel) where it stands.
        readers: (convolution, input channel) that read it.
        linear: Whether it is neither activated nor added to anything.
        free: Whether it can be stretched at all.
    """

    producers: list[tuple[str, int]] = field(default_factory=list)
    tensors: list[tuple[str, int]] = field(default_factory=list)
    readers: list[tuple[str, int]] = field(default_factory=list)
    linear: bool = True
    free: bool = True


def find_channels(model) -> list[Channel]:
    """The channels that a factor can be given to, in the order of computation."""
    graph = points(model)
    owner: dict[tuple[str, int], Channel] = {}
    for name, point in graph.items():
        for c in range(point.tensor.shape[-1]):
            owner[name, c] = Channel(tensors=[(name, c)])

    def tie(a: tuple[str, int], b: tuple[str, int]) -> None:
        first, second = owner[a], owner[b]
        if first is second:
            return
        for part in ("producers", "tensors", "readers"):
            getattr(first, part).extend(getattr(second, part))
        first.linear &= second.linear
        first.free &= second.free
        owner.update(dict.fromkeys(second.tensors, first))

    def every(name: str) -> list[Channel]:
        return [owner[name, c] for c in range(graph[name].tensor.shape[-1])]

    for channel in (*every(INPUT), *every(output_name(model))):
        channel.free = False
    for name, point in graph.items():
        if point.layer is None:
            continue
        if _is_plain_convolution(point.layer):
            linear = point.layer.activation.__name__ == "linear"
            for c, channel in enumerate(every(name)):
                channel.producers.append((name, c))
                channel.linear &= linear
            for c, channel in enumerate(every(point.inputs[0])):
                channel.readers.append((name, c))
        elif point.concatenates:
            place = 0
            for source in point.inputs:
                for c in range(graph[source].tensor.shape[-1]):
                    tie((source, c), (name, place + c))
                place += graph[source].tensor.shape[-1]
        elif _is_homogeneous(point.layer):
            for source in point.inputs:
                for c, channel in enumerate(every(name)):
                    channel.linear = False
                    tie((source, c), (name, c))
        else:
            for channel in (c for n in (name, *point.inputs) for c in every(n)):
                channel.free = False
    found = {id(channel): channel for channel in owner.values()}.values()
    return [c for c in found if c.free and c.producers and c.readers]


def _is_plain_convolution(layer) -> bool:
    return (
        type(layer) is tf_keras.layers.Conv2D
        and layer.trainable
        and layer.activation.__name__ in ("linear", "relu")
    )


def _is_homogeneous(layer) -> bool:
    if isinstance(layer, tf_keras.layers.ReLU):
        return layer.max_value is None and not layer.threshold
    return isinstance(layer, (tf_keras.layers.PReLU, tf_keras.layers.Add))


def stretch(model, channel: Channel, gain: float, shift: float) -> None:
    """Replace the value x of a channel by (x - shift) * gain, without changing the function."""
    for name, c in channel.producers:
        layer = model.get_layer(name)
        weights = layer.get_weights()
        weights[0][..., c] *= gain
        if layer.use_bias:
            weights[1][c] = (weights[1][c] - shift) * gain
        layer.set_weights(weights)
    for name, c in channel.readers:
        layer = model.get_layer(name)
        weights = layer.get_weights()
        inputs, outputs = weights[0].shape[2], weights[0].shape[3] // layer.groups
        group, place = divmod(c, inputs)
        reads = np.s_[:, :, place, group * outputs : (group + 1) * outputs]
        if shift:
            weights[1][reads[3]] += weights[0][reads].sum(axis=(0, 1)) * shift
        weights[0][reads] /= gain
        layer.set_weights(weights)
