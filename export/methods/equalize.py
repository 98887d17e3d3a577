"""Cross-layer equalization: a tensor's channels stretched to where its rounding hurts least.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019
(arXiv 1906.04721), section 4.1: for a positively homogeneous f (ReLU, PReLU, LeakyReLU),
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

from dataclasses import replace

import numpy as np

from export.quantizing.channels import (
    Channel,
    channel_ranges,
    channel_sensitivities,
    find_channels,
    stretch,
)
from export.quantizing.quantized_network import Evidence, QuantizedNetwork, clone
from export.quantizing.registry import register_method
from representative_data.observation import pixel_points, ranges_of
from representative_data.probe import probe_layers
from sr_models.networks.graph import quantized_points, require_own_layers
from sr_models.quantization.ranges import TensorRange, TensorRanges

PICTURES = 64
TEMPER = 0.7
"""Exponent of the factors of channels that are stretched beyond the costliest of their tensor."""
ROOM = 1.01
LARGEST_GAIN = 64.0
"""A channel that hardly moves would else have its rounding error in the next layer's weights."""
PROBES = 16
"""Pictures whose outputs' derivatives are taken, each along one random direction."""
SWEEPS = 20
STEPS = 2.0 ** np.array([-1.0, -0.5, -0.2, -0.05, 0.05, 0.2, 0.5, 1.0])


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
        return self._tempered(self._of_their_size(self.gains(ends)[: self.count], ends))

    def _tempered(self, gains: np.ndarray) -> np.ndarray:
        """Gains with the smaller channels stretched less.

        Of channels that share tensors one leads: its rounding costs most. It fills its tensors,
        and so do those that had to be narrowed beside it. Those that had to be stretched keep some
        room for what calibration pictures did not show, and their energy stays low, for which the
        weights that read them can be rounded more freely.
        """
        tempered, labels = gains.copy(), self._sharing()
        hurt = self.cost / np.square(np.append(gains, 1.0)[self.channel])
        for label in set(labels.tolist()):
            inside = (labels == label)[self.tensor]
            own = np.unique(self.channel[inside & (self.channel < self.count)])
            leader = np.bincount(self.channel[inside], hurt[inside], self.count + 1).argmax()
            lead = np.append(gains, 1.0)[leader]
            ratio = gains[own] / lead
            tempered[own] = lead * np.where(ratio > 1.0, ratio**TEMPER, ratio)
        return tempered

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


def _may_shift(model, channel: Channel) -> bool:
    readers = [model.get_layer(name) for name, _ in channel.readers]
    return (
        channel.linear
        and all(model.get_layer(name).use_bias for name, _ in channel.producers)
        and all(layer.use_bias and set(layer.kernel_size) == {1} for layer in readers)
    )


def equalize(model, pictures: np.ndarray, *, strength: float = 1.0, seed: int = 0):
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
    stretch(copy, zip(channels, gains.tolist(), shifts.tolist()))
    return copy


def with_room(model, evidence: Evidence) -> TensorRanges:
    """Ranges that hold natural pictures beside those of the set, and a little more.

    A channel that is narrower than its tensor has room for values that calibration did not see;
    equalized channels have none left, so the tensor must have it.
    """
    made, known = list(evidence.dataset.pictures), {p.tobytes() for p in evidence.dataset.pictures}
    others = [picture for picture in evidence.pictures if picture.tobytes() not in known]
    probe = probe_layers(model, made + others)
    ranges = evidence.pin(ranges_of(probe.first(len(made)), model, evidence.dataset), model)
    pixels, seen = set(pixel_points(model)), probe.union()
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
    return QuantizedNetwork(model, lambda: with_room(model, evidence))
