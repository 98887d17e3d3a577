"""Cross-layer equalization: a tensor's channels stretched to where its rounding hurts least.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019
(arXiv 1906.04721), section 4.1: for a positively homogeneous f (ReLU, PReLU, identity),
W2 f(W1 x) = (W2 / g) f((g W1) x) with one factor g > 0 for each channel between the two. There the
weights of both layers are balanced, since one scale serves a whole kernel. In TFLite every output
channel has a scale of its own, so a factor costs the first layer nothing; what is uneven is the
activation, whose channels share one scale (SmoothQuant, Xiao et al., arXiv 2211.10438, has the same
aim). Channels that are added to each other have one factor in common.

The factors are those that make the rounding of all tensors together cost the output least, where
a channel of the tensor t costs s_t^2 / 12 times how strongly the output depends on it (first order,
measured by derivatives), and the step s_t follows from the ends of the tensor.

Between a linear layer and a 1x1 convolution a channel may be shifted as well (the absorption of
biases, section 4.1.3 of Nagel et al.): W2 x + b2 = W2 (x - c) + (b2 + W2 c). With zero padding that
would be wrong at the picture's border, so larger kernels are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import tensorflow as tf
import tf_keras

from export.methods.quantized_network import Evidence, QuantizedNetwork, clone
from export.methods.registry import register_method
from representative_data.observation import pixel_points
from representative_data.probe import probe_layers
from sr_models.graph import INPUT, output_name, points, quantized_points, require_own_layers
from sr_models.int8.ranges import TensorRange, TensorRanges

PICTURES = 64
BATCH = 8
STRENGTH = 0.85
"""Less than 1: a little of the room is kept for what calibration pictures did not show."""
ROOM = 1.05
LARGEST_GAIN = 64.0
"""A channel that hardly moves would else have its rounding error in the next layer's weights."""
PROBES = 16
"""Pictures whose outputs' derivatives are taken, each along one random direction."""
SWEEPS = 20
STEPS = 2.0 ** np.array([-1.0, -0.5, -0.2, -0.05, 0.05, 0.2, 0.5, 1.0])


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


def channel_ranges(model, names: list[str], pictures: np.ndarray) -> dict[str, tuple]:
    """Least and greatest value of each channel: name -> (float64 (C,), float64 (C,)).

    Args:
        model: Float network.
        names: Names of points.
        pictures: float32 (N, h, w, 3) in 0..1.
    """
    watched = _watching(model, names)
    low = dict.fromkeys(names, np.inf)
    high = dict.fromkeys(names, -np.inf)
    for first in range(0, len(pictures), BATCH):
        tensors = watched(pictures[first : first + BATCH], training=False)[:-1]
        for name, tensor in zip(names, tensors):
            values = np.asarray(tensor, np.float64)
            low[name] = np.minimum(low[name], values.min(axis=(0, 1, 2)))
            high[name] = np.maximum(high[name], values.max(axis=(0, 1, 2)))
    return {name: (low[name], high[name]) for name in names}


def channel_sensitivities(
    model, names: list[str], pictures: np.ndarray, *, seed: int = 0
) -> dict[str, np.ndarray]:  # fmt: skip
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
    watched = _watching(model, names)
    rng = np.random.default_rng([seed, 6])
    found = dict.fromkeys(names, 0.0)
    for first in range(0, len(pictures), BATCH):
        batch = tf.constant(pictures[first : first + BATCH])
        with tf.GradientTape() as tape:
            tape.watch(batch)
            *tensors, output = watched(batch, training=False)
            signs = rng.choice(np.float32([-1.0, 1.0]), output.shape)
            total = tf.reduce_sum(output * signs)
        for name, slope in zip(names, tape.gradient(total, tensors)):
            squares = np.square(slope.numpy().astype(np.float64))
            found[name] = found[name] + squares.sum(axis=(0, 1, 2)) / len(pictures)
    return found


def _watching(model, names: list[str]):
    graph = points(model)
    return tf_keras.Model(model.input, [*(graph[name].tensor for name in names), model.output])


class _Stretching:
    """The search for the factors: ends of the tensors are varied, and channels fill them.

    Args:
        channels: What a factor can be given to.
        ranges: Stored tensor -> (least, greatest value of each channel).
        costs: Stored tensor -> `channel_sensitivities`.
    """

    def __init__(self, channels: list[Channel], ranges: dict[str, tuple], costs: dict):
        self.names, self.count = list(ranges), len(channels)
        owner = {place: i for i, channel in enumerate(channels) for place in channel.tensors}
        places = [(t, c) for t, name in enumerate(ranges) for c in range(len(costs[name]))]
        self.tensor = np.array([t for t, _ in places])
        # Channels without a factor are one further entry whose factor is 1.
        self.channel = np.array([owner.get((self.names[t], c), self.count) for t, c in places])
        low, high = (np.concatenate([value[end] for value in ranges.values()]) for end in (0, 1))
        self.down, self.up = np.maximum(-low, 0.0), np.maximum(high, 0.0)
        self.cost = np.concatenate([costs[name] for name in self.names])
        self.ends = np.stack([self._most(self.down), self._most(self.up)])
        fixed = self.channel == self.count
        self.least = np.stack([self._most(np.where(fixed, e, 0.0)) for e in (self.down, self.up)])

    def _most(self, values: np.ndarray) -> np.ndarray:
        most = np.zeros(len(self.names))
        np.maximum.at(most, self.tensor, values)
        return most

    def gains(self, ends: np.ndarray) -> np.ndarray:
        """The largest factor of each channel for which it fits into all of its tensors."""
        room = np.full(len(self.tensor), LARGEST_GAIN)
        for reach, end in zip((self.down, self.up), ends[:, self.tensor]):
            np.divide(end, reach, out=room, where=reach * room > end)
        gains = np.full(self.count + 1, LARGEST_GAIN)
        np.minimum.at(gains, self.channel, room)
        gains[self.count] = 1.0
        return gains

    def cost_of(self, ends: np.ndarray) -> float:
        """Squared error of the output by the rounding of all tensors, but for a factor."""
        hurt = self.cost / np.square(self.gains(ends))[self.channel]
        return float(np.square(ends.sum(axis=0)) @ np.bincount(self.tensor, hurt, len(self.names)))

    def search(self) -> np.ndarray:
        """One factor for each channel: float64 (channels,)."""
        ends = self.ends
        least = self.cost_of(ends)
        for _ in range(SWEEPS):
            before = least
            for t in range(len(self.names)):
                for moved in ((0,), (1,), (0, 1)):
                    for factor in STEPS:
                        tried = ends.copy()
                        tried[moved, t] = np.maximum(tried[moved, t] * factor, self.least[moved, t])
                        cost = self.cost_of(tried)
                        if cost < least:
                            ends, least = tried, cost
            if least > 0.999 * before:
                break
        return self._of_their_size(self.gains(ends)[: self.count], ends)

    def _of_their_size(self, gains: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Gains that leave tensors about as wide as they were.

        Where nothing in a tensor is fixed, nor in those that share channels with it, its size makes
        no difference to the cost, and the search may have led it anywhere.
        """
        gains, labels = gains.copy(), self._sharing()
        for label in set(labels.tolist()):
            inside = labels == label
            if not self.least[:, inside].any() and ends[:, inside].sum() > 0.0:
                channels = self.channel[inside[self.tensor]]
                size = self.ends[:, inside].sum() / ends[:, inside].sum()
                gains[np.unique(channels[channels < self.count])] *= size
        # A channel that never moves fits at any size.
        return np.minimum(gains, LARGEST_GAIN)

    def _sharing(self) -> np.ndarray:
        """int (tensors,): the same number for tensors that share channels, directly or not."""
        labels = np.arange(len(self.names))
        free = self.channel < self.count
        while True:
            lowest = np.full(self.count, len(labels))
            np.minimum.at(lowest, self.channel[free], labels[self.tensor[free]])
            found = labels.copy()
            np.minimum.at(found, self.tensor[free], lowest[self.channel[free]])
            if (found == labels).all():
                return labels
            labels = found


def _stretch(model, channel: Channel, gain: float, shift: float) -> None:
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


def _may_shift(model, channel: Channel) -> bool:
    readers = [model.get_layer(name) for name, _ in channel.readers]
    return (
        channel.linear
        and all(model.get_layer(name).use_bias for name, _ in channel.producers)
        and all(layer.use_bias and set(layer.kernel_size) == {1} for layer in readers)
    )


def equalize(model, pictures: np.ndarray, *, strength: float = STRENGTH, seed: int = 0):
    """A copy of the network that computes the same with ranges that hurt less.

    Args:
        model: Float functional Keras model in its deployed form.
        pictures: float32 (N, h, w, 3) in 0..1, on which channels are observed.
        strength: 0 leaves channels as they are, 1 takes the factors that were found.
        seed: Seed of the random directions of derivatives.

    Raises:
        NetworkError: A layer with weights is called more than once.
    """
    require_own_layers(model)
    copy = clone(model)
    channels, pixels = find_channels(copy), set(pixel_points(copy))
    names = [name for name in quantized_points(copy) if name not in pixels]
    if not channels or not names:
        return copy
    ranges = channel_ranges(copy, names, pictures)
    shifts = np.zeros(len(channels))
    for i, channel in enumerate(channels):
        if _may_shift(copy, channel):
            stored = [place for place in channel.tensors if place[0] in ranges]
            low, high = ranges[stored[0][0]]
            shifts[i] = (low[stored[0][1]] + high[stored[0][1]]) / 2.0
            for name, c in stored:
                for end in ranges[name]:
                    end[c] -= shifts[i]
    costs = channel_sensitivities(copy, names, pictures[:PROBES], seed=seed)
    gains = _Stretching(channels, ranges, costs).search() ** strength
    for channel, gain, shift in zip(channels, gains.tolist(), shifts.tolist()):
        _stretch(copy, channel, gain, shift)
    return copy


def with_room(ranges: TensorRanges, model, evidence: Evidence) -> TensorRanges:
    """Ranges that hold natural pictures too, and a little more.

    A channel that is narrower than its tensor has room for values that calibration did not see;
    equalized channels have none left, so the tensor must have it.
    """
    pixels = set(pixel_points(model))
    seen = probe_layers(model, list(evidence.pictures)).union()
    wider = {}
    for name, value in ranges.items():
        if name not in pixels:
            whole = value.union(TensorRange(*seen[name]))
            wider[name] = replace(whole, minimum=ROOM * whole.minimum, maximum=ROOM * whole.maximum)
    return ranges.replacing(wider)


@register_method(
    "equalize", stage="network", source="after Nagel et al. 2019, arXiv 1906.04721, section 4.1"
)
def equalized(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Every channel stretched to where its rounding hurts least, where layers allow it exactly."""
    model = equalize(network.model, evidence.stack(PICTURES), seed=evidence.seed)
    return QuantizedNetwork(model, with_room(evidence.observe(model), model, evidence))
