"""A sum of two convolutions written as one convolution of all that both read.

Some networks end in a sum: features through a convolution, the picture through another, larger one,
both shuffled into pixels (the skip of WDSR, Yu et al., arXiv 1808.08718). An int8 file stores both
terms before it adds them, each in 256 steps of about the whole range of a picture, and rounds the
sum once more. One convolution adds in 32 bits and rounds once.

It reads the features joined with the picture, so both need one grid. The picture is exact on steps
of 1/255 alone, but may be moved by whole steps: p - c, with c where the range of the features has
its zero. Features go to any size (`export.quantizing.channels`). What the larger kernel reads
beyond the smaller one stands in further channels, copies of the picture moved by a pixel or more,
which a convolution of ones makes without changing a code. A channel that is one value everywhere
inside of the picture knows where that ends, so that zero padding and the moved picture agree at the
border; features and copies are padded beforehand, since a copy knows pixels of the picture where it
lies outside of it itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tf_keras

from export.methods.pack import PICTURES, clipped_answer, squared_error
from export.quantizing.channels import Channel, find_channels, stretch
from export.quantizing.network_cost import network_cost
from export.quantizing.picture_sums import Reach, Sum, find_sums
from export.quantizing.quantized_network import Evidence, QuantizedNetwork, clone
from export.quantizing.registry import register_method
from export.running.targets import Target, packing_targets
from representative_data.observation import known_ranges
from sr_models.networks.graph import INPUT, Point, points, quantized_points, rebuild
from sr_models.networks.layers import DepthToSpace
from sr_models.networks.value_layers import KnownRange
from sr_models.quantization.ranges import TensorRange, TensorRanges

MOST_COST = 0.02
"""Share of the whole network's cost that it may take, at most: what `pack` counts as none."""
STEPS = 255
"""Of the picture's grid between black and white."""


@dataclass(frozen=True)
class _Grid:
    """The one that features and picture share, in steps of 1/255.

    Attributes:
        below: Steps from its least value to 0.
        gain: What features are multiplied by to lie on it.
    """

    below: int
    gain: float

    @classmethod
    def of(cls, features: TensorRange) -> _Grid:
        """For features of that range."""
        low, high = -features.with_zero.minimum, features.with_zero.maximum
        below = round(STEPS * low / (low + high))
        ends = ((below / STEPS, low), (1.0 - below / STEPS, high))
        return cls(below, min(end / reach for end, reach in ends if reach * STEPS > low + high))

    @property
    def zero(self) -> float:
        """The value of the picture that stands at 0."""
        return self.below / STEPS

    @property
    def span(self) -> TensorRange:
        """Its ends."""
        return TensorRange(-self.zero, 1.0 - self.zero)

    @property
    def one(self) -> float:
        """The value that tells where the picture is, the largest that is not the other bias.

        Of biases that are all one number TensorFlow 2.21 makes one code, in the first channel's
        steps, which are not those of the ones.
        """
        return max(1.0 - self.zero, (1 - self.below) / STEPS, key=abs)

    def known(self, tensor, name: str):
        """The tensor, stored on this grid."""
        return KnownRange(self.span.minimum, self.span.maximum, name=name)(tensor)


class _Writer:
    """Writes one sum as one convolution.

    Args:
        graph: The network, its features stretched already.
        found: The sum.
        grid: What features and picture are stored on.
    """

    def __init__(self, graph: dict[str, Point], found: Sum, grid: _Grid):
        self.found, self.grid = found, grid
        features, picture = (graph[n].layer for n in (found.features, found.picture))
        kernel, own = features.kernel.numpy().astype(np.float64), found.kernel.picture
        self.rows, self.columns = (
            Reach.of(mine // 2, other // 2) for mine, other in zip(kernel.shape[:2], own.shape[:2])
        )
        self.has_ones = grid.below > 0 or bool(found.kernel.ones.any())
        biases = [layer.bias.numpy() for layer in (features, picture) if layer.use_bias]
        self.bias = sum(biases, np.zeros(kernel.shape[3]))
        room = [reach.own - side // 2 for reach, side in zip(self._reaches, kernel.shape)]
        wide = np.pad(kernel, [*((r, r) for r in room), (0, 0), (0, 0)])
        self.kernel = np.concatenate([wide, self._kernel_of_copies()], axis=2)

    @property
    def _reaches(self) -> tuple[Reach, Reach]:
        return self.rows, self.columns

    @property
    def _copies(self) -> bool:
        return any(len(reach.moves) > 1 for reach in self._reaches)

    def _kernel_of_copies(self) -> np.ndarray:
        whole = self.found.kernel.picture
        if self.has_ones:
            moved = whole.sum(axis=2) * self.grid.zero
            ones = (self.found.kernel.ones + moved) / self.grid.one
            whole = np.concatenate([whole, ones[:, :, None]], axis=2)
        height, width, channels, outputs = whole.shape
        taps = [2 * reach.own + 1 for reach in self._reaches]
        copies = [len(reach.moves) for reach in self._reaches]
        made = np.zeros((*taps, *copies, channels, outputs))
        for y, (row, up) in self.rows.taps(height // 2).items():
            for x, (column, left) in self.columns.taps(width // 2).items():
                made[up, left, row, column] = whole[y + height // 2, x + width // 2]
        return made.reshape(*taps, -1, outputs)

    def _picture(self, tensor):
        """The picture as the convolution reads it, on its grid: moved, and its copies."""
        name, count = f"{self.found.name}_picture", tensor.shape[-1]
        channels = count + self.has_ones
        bias = np.full(channels, -self.grid.zero)
        bias[count:] = self.grid.one
        weights = [np.eye(count, channels)[None, None], bias]
        tensor = self.grid.known(_fixed(f"{name}_moved", weights)(tensor), name)
        if not self._copies:
            return tensor
        tensor = self._padded(tensor, [r.own + r.far for r in self._reaches], f"{name}_padded")
        size = [2 * reach.far + 1 for reach in self._reaches]
        moves = [len(reach.moves) for reach in self._reaches]
        ones = np.zeros((*size, channels, *moves, channels))
        for row, y in enumerate(self.rows.moves):
            for column, x in enumerate(self.columns.moves):
                place = y + self.rows.far, x + self.columns.far
                ones[(*place, slice(None), row, column)] = np.eye(channels)
        return _fixed(f"{name}_copies", [ones.reshape(*size, channels, -1)])(tensor)

    def _padded(self, tensor, sides, name: str):
        return tf_keras.layers.ZeroPadding2D(tuple(sides), name=name)(tensor)

    def __call__(self, features, picture, name: str):
        """The sum, before it is shuffled."""
        own = self.found.name
        if self._copies:
            features = self._padded(features, [r.own for r in self._reaches], f"{own}_padded")
        joined = tf_keras.layers.Concatenate(name=f"{own}_joined")(
            [features, self._picture(picture)]
        )
        layer = tf_keras.layers.Conv2D(
            self.kernel.shape[3],
            self.kernel.shape[:2],
            padding="valid" if self._copies else "same",
            name=name,
        )
        made = layer(self.grid.known(joined, f"{own}_both"))
        layer.set_weights([self.kernel, self.bias])
        return made


def _fixed(name: str, weights: list[np.ndarray]):
    """A convolution whose weights no method changes."""

    def layer(tensor):
        *size, _, filters = weights[0].shape
        made = tf_keras.layers.Conv2D(
            filters, size, use_bias=len(weights) > 1, trainable=False, name=name
        )
        result = made(tensor)
        made.set_weights(weights)
        return result

    return layer


def with_one_convolution(model, ranges: TensorRanges, found: Sum):
    """The network with a sum as one convolution, and the ranges of its tensors.

    Args:
        model: Float functional network in its deployed form; it is left as it is.
        ranges: What its tensors are stored with.
        found: The sum.

    Returns:
        Network and ranges; `None` where the features cannot have any size.
    """
    model = clone(model)
    tied = _tied(model, found.source)
    if tied is None or found.source not in ranges:
        return None
    grid, (tensors, channels) = _Grid.of(ranges[found.source]), tied
    stretch(model, [(channel, grid.gain, 0.0) for channel in channels])
    graph, shuffle = points(model), DepthToSpace(found.block, name=f"{found.name}_pixels")
    write, held = _Writer(graph, found, grid), {}
    terms = [graph[term] for term in graph[found.name].inputs]
    place = next(i for i, t in enumerate(terms) if found.features in (t.name, *t.inputs))
    followers = graph[found.name].consumers
    rectifies = len(followers) == 1 and isinstance(graph[followers[0]].layer, tf_keras.layers.ReLU)
    end = followers[0] if rectifies else found.name
    left_out = {found.features, found.picture, *(t.name for t in terms)}

    def whole(both):
        name = found.name if rectifies or found.block == 1 else f"{found.name}_whole"
        made = write(both[place], held[INPUT], name)
        return made if rectifies or found.block == 1 else shuffle(made)

    def replaced(layer):
        if layer.name in left_out:
            return lambda tensor: tensor
        if layer is graph[found.name].layer:
            return whole
        if layer is graph[end].layer and found.block > 1:
            return lambda tensor: shuffle(layer(tensor))
        return layer

    def known(name: str, tensor):
        if name == INPUT:
            held[INPUT] = tensor
        return grid.known(tensor, f"{name}_stored") if name == found.source else tensor

    made = rebuild(model, known, replace_layer=replaced)
    own = {
        name: TensorRange(grid.gain * value.minimum, grid.gain * value.maximum)
        if name in tensors
        else value
        for name, value in ranges.items()
    }
    written = {name: own.get(name, own[end]) for name in quantized_points(made)}
    return made, TensorRanges({**written, **known_ranges(made)}, method=ranges.method)


def _tied(model, name: str) -> tuple[set[str], list[Channel]] | None:
    """Tensors that have one size with a tensor, and their channels; `None` where it is fixed."""
    graph, channels = points(model), find_channels(model)
    owners = {place: channel for channel in channels for place in channel.tensors}
    tensors, found, open_ones = {name}, {}, [name]
    while open_ones:
        name = open_ones.pop()
        for c in range(graph[name].tensor.shape[-1]):
            if (name, c) not in owners:
                return None
            channel = owners[name, c]
            found[id(channel)] = channel
            others = {other for other, _ in channel.tensors} - tensors
            tensors |= others
            open_ones += others
    return tensors, list(found.values())


def _costs_little(model, other, targets: Sequence[Target]) -> bool:
    return all(
        network_cost(other, target) <= (1.0 + MOST_COST) * network_cost(model, target)
        for target in targets
    )


@register_method(
    "sums",
    stage="network",
    source="the sum of Yu et al. 2018, arXiv 1808.08718",
    changes_layers=True,
)
def summed(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """A sum of two convolutions, of features and of the picture, as one that rounds once."""
    targets, pictures = packing_targets(evidence.packed_for), evidence.stack(PICTURES)
    # Both are held against the network as it was: another function is no better one.
    exact = clipped_answer(network.model, pictures)
    for found in find_sums(network.model, kept=evidence.kept):
        made = with_one_convolution(network.model, network.ranges, found)
        if made is None or not _costs_little(network.model, made[0], targets):
            continue
        before, after = (
            squared_error(model, ranges, pictures, exact)
            for model, ranges in ((network.model, network.ranges), made)
        )
        if after < before:
            evidence.on_note(f"sums: {found.name}: {found.features} adds what {found.picture} did")
            return summed(QuantizedNetwork(*made), evidence)
    return network
