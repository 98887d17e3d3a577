"""Channels of a network that can be stretched by a factor without changing its function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.networks.graph import INPUT, output_name, points, watcher, with_split_groups
from sr_models.networks.layers import MirrorPadding
from sr_models.networks.memory import bytes_per_pixel, pictures_at_once
from sr_models.observing.tensors import TensorReader, ends_of


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
        elif _is_homogeneous(point.layer) and _are_as_wide(graph, point):
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


_HOMOGENEOUS = (
    tf_keras.layers.PReLU,
    tf_keras.layers.LeakyReLU,
    tf_keras.layers.Add,
    tf_keras.layers.MaxPooling2D,
    tf_keras.layers.AveragePooling2D,
    tf_keras.layers.ZeroPadding2D,
    tf_keras.layers.Cropping2D,
    MirrorPadding,
)
"""What gives back a positive factor on a channel, whatever the channel holds."""


def _are_as_wide(graph, point) -> bool:
    """Whether no channel of what a point reads stands for all of its own."""
    return all(graph[n].tensor.shape[-1] == point.tensor.shape[-1] for n in point.inputs)


def _is_homogeneous(layer) -> bool:
    if isinstance(layer, tf_keras.layers.ReLU):
        return layer.max_value is None and not layer.threshold
    return isinstance(layer, _HOMOGENEOUS)


def stretch(model, changes: Iterable[tuple[Channel, float, float]]) -> None:
    """Replace the value x of channels by (x - shift) * gain, without changing the function.

    Args:
        model: Whose weights are changed.
        changes: Channels, each with its gain and its shift.
    """
    layers: dict[str, Any] = {}
    held: dict[str, list[np.ndarray]] = {}

    def weights_of(name: str) -> list[np.ndarray]:
        if name not in held:
            layers[name] = model.get_layer(name)
            held[name] = layers[name].get_weights()
        return held[name]

    for channel, gain, shift in changes:
        for name, c in channel.producers:
            kernel, *bias = weights_of(name)
            kernel[..., c] *= gain
            if bias:
                bias[0][c] = (bias[0][c] - shift) * gain
        for name, c in channel.readers:
            kernel, *bias = weights_of(name)
            inputs, outputs = kernel.shape[2], kernel.shape[3] // layers[name].groups
            group, place = divmod(c, inputs)
            reads = np.s_[:, :, place, group * outputs : (group + 1) * outputs]
            if shift:
                bias[0][reads[3]] += kernel[reads].sum(axis=(0, 1)) * shift
            kernel[reads] /= gain
    for name, weights in held.items():
        layers[name].set_weights(weights)


BATCH = 8
SLOPE_BYTES = 1 << 30
"""Of tensors and their derivatives together, at most: more pictures at once take no less time."""


def channel_values(model, names: list[str], pictures: np.ndarray) -> Iterator[dict]:
    """The tensors, a few pictures at a time: name -> float32 (n, h, w, C).

    Args:
        model: Float network.
        names: Names of points.
        pictures: float32 (N, h, w, 3) in 0..1.
    """
    reader = TensorReader(model, names)
    step = pictures_at_once(model, height=pictures.shape[1], width=pictures.shape[2], most=BATCH)
    for first in range(0, len(pictures), step):
        yield dict(zip(names, reader(pictures[first : first + step])))


def channel_ranges(model, names: list[str], pictures: np.ndarray) -> dict[str, tuple]:
    """Least and greatest value of each channel: name -> (float64 (C,), float64 (C,)).

    Args:
        model: Float network.
        names: Names of points.
        pictures: float32 (N, h, w, 3) in 0..1.
    """
    if not names:
        return {}
    parts = TensorReader(model, names).each(pictures, ends_of)
    each = [np.stack(ends).astype(np.float64) for ends in zip(*parts)]
    return {name: (e[:, 0].min(axis=0), e[:, 1].max(axis=0)) for name, e in zip(names, each)}


def _slopes(model, names: list[str], pictures: np.ndarray, seed: int) -> Iterator[dict]:
    """Derivatives of the output along random signs, a few pictures at a time."""
    # With groups apart: TensorFlow takes eleven times as long for the way back through a
    # grouped convolution.
    watched = watcher(with_split_groups(model), [*names, output_name(model)])
    rng = np.random.default_rng([seed, 6])
    # Twice, for the way back.
    _, height, width, _ = pictures.shape
    step = max(1, pictures_at_once(model, height=height, width=width, most=2 * BATCH) // 2)
    step = min(step, max(1, int(SLOPE_BYTES / (2 * bytes_per_pixel(model) * height * width))))
    for first in range(0, len(pictures), step):
        batch = tf.constant(pictures[first : first + step])
        with tf.GradientTape() as tape:
            tape.watch(batch)
            *tensors, output = watched(batch, training=False)
            signs = rng.choice(np.float32([-1.0, 1.0]), output.shape)
            total = tf.reduce_sum(output * signs)
        found = tape.gradient(total, tensors)
        yield {name: slope.numpy().astype(np.float64) for name, slope in zip(names, found)}


def _mean_of_slopes(model, names: list[str], pictures: np.ndarray, seed: int, form: Callable):
    """`form` of each tensor's slopes, summed over pixels by itself, in the mean over pictures."""
    found = dict.fromkeys(names, 0.0)
    for slopes in _slopes(model, names, pictures, seed):
        for name, slope in slopes.items():
            found[name] = found[name] + form(slope) / len(pictures)
    return found


def _square_sums(slope: np.ndarray) -> np.ndarray:
    return np.square(slope).sum(axis=(0, 1, 2))


def _products(slope: np.ndarray) -> np.ndarray:
    flat = slope.reshape(-1, slope.shape[-1])
    return flat.T @ flat


def channel_sensitivities(
    model, names: list[str], pictures: np.ndarray, *, seed: int = 0
) -> dict[str, np.ndarray]:
    """What noise in each channel does to the output: name -> float64 (C,).

    The squared error of the whole output, to first order, where every value of the channel has an
    error of variance 1 of its own; the trace of a product of Jacobians, estimated along random
    signs (Hutchinson 1990).

    Args:
        model: Float network.
        names: Names of points.
        pictures: float32 (N, h, w, 3) in 0..1.
        seed: Seed of the signs.
    """
    return _mean_of_slopes(model, names, pictures, seed, _square_sums)


def joint_sensitivities(
    model, names: list[str], pictures: np.ndarray, *, seed: int = 0
) -> dict[str, np.ndarray]:
    """The same for errors that channels have in common: name -> float64 (C, C).

    With noise of the covariance V at every pixel, the squared error of the output is the trace of
    V times this matrix; its diagonal is `channel_sensitivities`.

    Args:
        model: Float network.
        names: Names of points.
        pictures: float32 (N, h, w, 3) in 0..1.
        seed: Seed of the signs.
    """
    return _mean_of_slopes(model, names, pictures, seed, _products)
