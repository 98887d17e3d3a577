"""What tanh and sigmoid read: ranges as wide as their output needs, like channels together.

TFLite fixes the grid of the output of both (steps of 1/128 and 1/256), but what they read is stored
in eight bits too. Min/max wastes them: tanh(2) and tanh(5) are four codes apart, and a step that
spans -5..5 is ten codes wide around 0, where the slope is 1. So the range is narrowed to where the
activation's output has the least error, weighted by how strongly the network's output depends on
each channel. Where channels differ in width, the convolution is split in groups of channels that
each have a range of their own ("per-embedding-group quantization", Bondarenko et al., arXiv
2109.12948, section 4), which costs nothing in exactness: all of them meet on the activation's grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras

from export.methods.pack import pack
from export.methods.split import allot_copies
from export.quantizing.bounded_activations import (
    BoundedActivation,
    find_bounded,
    saturation_costs,
)
from export.quantizing.channels import channel_sensitivities, channel_values
from export.quantizing.network_cost import network_cost, output_values
from export.quantizing.quantized_network import Evidence, QuantizedNetwork, observe
from export.quantizing.registry import register_method
from export.running.kernel_cost import clip_cost
from export.running.targets import Target, packing_targets
from sr_models.networks.graph import points, rebuild
from sr_models.quantization.ranges import TensorRange
from sr_models.quantization.simulator import FIXED_GRIDS

PICTURES = 16
GROUPS = 4
LEAST_GAIN = 1.2
"""Groups are made where they lower the error at least by this factor."""
CHANNELS_FOR_A_COPY = 16
"""One copy is made for so many channels: layers grow by a sixteenth at most."""
SMALL = 1e-3
GAIN_OF_COPIES = 1.5
"""A tile of copies is taken, whatever time it takes, where it lowers the squared error of its
activation by this factor: what int8 loses comes before what it saves."""
LEAST_SLOPE = 0.05
"""A channel that is nearly always saturated is not moved by more than this asks for."""


def group_channels(costs: np.ndarray, *, most: int = GROUPS, width: int = 1) -> list[np.ndarray]:
    """Channels in at most `most` groups of least cost, each group having its best end.

    Args:
        costs: float64 (C, ENDS).
        most: Groups.
        width: All groups but the last hold a multiple of so many channels.

    Returns:
        Indices of channels; one group of all where more would not pay.
    """
    order = np.argsort(costs.argmin(axis=1), kind="stable")
    summed = np.concatenate([np.zeros((1, costs.shape[1])), costs[order].cumsum(axis=0)])
    count = len(order)
    # least[i]: cost of the first i channels in that order, with the cuts that lead to it.
    least = [(summed[i].min(), ()) for i in range(count + 1)]
    for _ in range(most - 1):
        least = [
            min(
                [least[i]]
                + [
                    (least[j][0] + (summed[i] - summed[j]).min(), (*least[j][1], j))
                    for j in range(width, i, width)
                ]
            )
            for i in range(count + 1)
        ]
    cost, cuts = least[count]
    if cost * LEAST_GAIN > summed[count].min():
        return [np.arange(count)]
    return np.split(order, cuts)


@dataclass(frozen=True)
class Layout:
    """The channels before a bounded activation, in groups, some of them more than once.

    Attributes:
        groups: For each group, the channels that it holds.
        shifts: For each group, what is added to the bias of each.
        shares: float64, in the order of all groups: how much of the old kernel readers take.
        moves: float64, in the same order: by how much the activation's output has moved.
    """

    groups: list[np.ndarray]
    shifts: list[np.ndarray]
    shares: np.ndarray
    moves: np.ndarray


def lay_out(
    model, found: BoundedActivation, pictures: np.ndarray, *, width: int = 1, tiles: int = 0
) -> Layout:
    """Channels in groups of like range, the costliest of them several times.

    The output's grid is TFLite's and cannot be made finer; but the mean of k copies whose outputs
    are moved by 0, 1/k, ... of a step has steps of a k-th of the size (as `split` has it).

    Args:
        model: Float network.
        found: The activation.
        pictures: float32 (N, h, w, 3) in 0..1.
        width: Output channels that kernels compute at once. Groups are made of whole tiles, and
            copies fill the last.
        tiles: How many more are filled with copies.
    """
    costs = saturation_costs(model, found, pictures)[1]
    cost = channel_sensitivities(model, [found.name], pictures)[found.name]
    width, spare = _tiling(model, found, width, tiles)
    copies = allot_copies(cost, spare)
    held = np.repeat(np.arange(len(cost)), copies)
    turn = np.concatenate([np.arange(count) for count in copies])
    groups = group_channels(costs[held] / copies[held, None], width=width)
    activation = points(model)[found.name].layer.activation
    values = np.concatenate(
        [v[found.source] for v in channel_values(model, [found.source], pictures)]
    ).reshape(-1, len(cost))
    plain = activation(tf.constant(values)).numpy()
    slopes = (activation(tf.constant(values + SMALL)).numpy() - plain).mean(axis=0) / SMALL
    slopes, step = np.maximum(slopes, LEAST_SLOPE), FIXED_GRIDS[activation.__name__].scale
    shifts, moves = [], []
    for group in groups:
        channels = held[group]
        own = step * turn[group] / copies[channels] / slopes[channels]
        moved = activation(tf.constant(values[:, channels] + np.float32(own))).numpy()
        shifts.append(own)
        moves.append((moved - plain[:, channels]).mean(axis=0))
    groups = [held[group] for group in groups]
    return Layout(groups, shifts, 1.0 / copies[np.concatenate(groups)], np.concatenate(moves))


def _tiling(model, found: BoundedActivation, width: int, tiles: int) -> tuple[int, int]:
    """Channels of a tile, and how many copies there is room for."""
    count = points(model)[found.source].layer.filters
    while width > 1 and count < 2 * width:
        width //= 2
    layers = [points(model)[name].layer for name in (found.source, *found.readers)]
    if not all(layer.use_bias for layer in layers):
        return width, 0
    return width, min(-count % width, count // CHANNELS_FOR_A_COPY) + tiles * width


def with_groups(
    model,
    pictures: np.ndarray,
    *,
    width: int = 1,
    tiles: Mapping[str, int] = MappingProxyType({}),
):
    """The network with the convolutions before bounded activations split by range.

    Where channels stand in it more than once, it computes the same but for a part of a step of the
    activation's grid, since tanh does not answer to a shift with a shift.

    Args:
        model: Float network.
        pictures: float32 (N, h, w, 3) in 0..1.
        width: See `lay_out`.
        tiles: The same, by the activation's name.
    """
    layouts = {}
    for found in find_bounded(model):
        if found.readers:
            more = tiles.get(found.name, 0)
            layout = lay_out(model, found, pictures, width=width, tiles=more)
            if len(layout.groups) > 1 or (layout.shares < 1.0).any():
                layouts[found] = layout
    return _written(model, layouts) if layouts else model


def _written(model, laid_out: Mapping[BoundedActivation, Layout]):
    graph = points(model)
    activations = {found.name: found.source for found in laid_out}
    layouts = {found.source: layout for found, layout in laid_out.items()}
    readers = {name: layout for found, layout in laid_out.items() for name in found.readers}
    weights: dict[str, list[np.ndarray]] = {}

    def new_convolution(layer, name: str, kernel, bias):
        config = {**layer.get_config(), "name": name, "filters": kernel.shape[-1]}
        weights[name] = [kernel, *bias]
        return tf_keras.layers.Conv2D.from_config(config)

    def reordered(layer):
        kernel, *bias = layer.get_weights()
        if layer.name in readers:
            layout = readers[layer.name]
            kernel = kernel[:, :, np.concatenate(layout.groups)] * layout.shares[:, None]
            answer = np.einsum("yxio,i->o", kernel, layout.moves)
            bias = [b - answer for b in bias]
        return kernel, bias

    def rewritten(layer):
        if layer.name in layouts:
            return lambda tensor: tensor
        if layer.name in activations:
            source = graph[activations[layer.name]].layer
            kernel, bias = reordered(source)

            def in_groups(tensor):
                made, layout = [], layouts[source.name]
                several = len(layout.groups) > 1  # Copies may stand in a single one.
                for i, (group, shift) in enumerate(zip(layout.groups, layout.shifts)):
                    own = kernel[..., group], [b[group] + shift for b in bias]
                    place = f"_group{i}" if several else ""
                    y = new_convolution(source, f"{source.name}{place}", *own)(tensor)
                    name = f"{layer.name}{place}"
                    made.append(tf_keras.layers.Activation(layer.activation, name=name)(y))
                return tf_keras.layers.Concatenate(name=layer.name)(made) if several else made[0]

            return in_groups
        if layer.name in readers:
            return new_convolution(layer, layer.name, *reordered(layer))
        return layer

    made = rebuild(model, lambda _, tensor: tensor, replace_layer=rewritten)
    for name, values in weights.items():
        made.get_layer(name).set_weights(values)
    return made


class Worth(NamedTuple):
    """What a tile of copies gains.

    Attributes:
        saved: Squared error of the output that it takes away.
        gain: The activation's own squared error without it, over that with it.
    """

    saved: float
    gain: float


def worth_of_copies(model, pictures: np.ndarray, *, width: int) -> dict[str, Worth]:
    """What a tile of copies gains: by activation.

    Args:
        model: Float network.
        pictures: float32 (N, h, w, 3) in 0..1.
        width: See `lay_out`.
    """
    graph, worth = points(model), {}
    for found in find_bounded(model):
        if found.readers:
            step = FIXED_GRIDS[graph[found.name].layer.activation.__name__].scale
            cost = channel_sensitivities(model, [found.name], pictures)[found.name]
            kept = (cost / allot_copies(cost, width) ** 2.0).sum()
            gain = cost.sum() / kept if kept > 0.0 else 1.0
            worth[found.name] = Worth(float(step**2 * (cost.sum() - kept)), float(gain))
    return worth


def affordable_tiles(
    model, targets: Sequence[Target], *, width: int, worth: Mapping[str, Worth]
) -> dict[str, int]:
    """Tiles of copies for which the network still costs no more than its clipped baseline.

    A tile that gains more than `GAIN_OF_COPIES` is taken all the same.

    Args:
        model: Float network.
        targets: Those whose costs count, every one of them.
        width: See `lay_out`.
        worth: Activation -> what a tile is worth; what saves most comes first.

    Returns:
        The name of the activation -> tiles.
    """
    values = output_values(model)
    chosen: dict[str, int] = {}
    bounded_ones = [found for found in find_bounded(model) if found.readers]
    for found in sorted(bounded_ones, key=lambda one: -worth[one.name].saved):
        tried = {**chosen, found.name: 1}
        layouts = {
            one: _stand_in(model, one, width, tried.get(one.name, 0)) for one in bounded_ones
        }
        other = pack(_written(model, layouts), targets)
        if worth[found.name].gain >= GAIN_OF_COPIES or all(
            network_cost(other, target)
            <= network_cost(model, target) + clip_cost(values=values, target=target)
            for target in targets
        ):
            chosen = tried
    return chosen


def _stand_in(model, found: BoundedActivation, width: int, tiles: int) -> Layout:
    """A layout of as many channels and groups as the network's own may have."""
    width, spare = _tiling(model, found, width, tiles)
    count = points(model)[found.source].layer.filters
    held = np.arange(count + spare) % count
    groups = np.split(held, range(width, len(held), width)[: GROUPS - 1])
    shifts = [np.zeros(len(group)) for group in groups]
    return Layout(groups, shifts, np.ones(len(held)), np.zeros(len(held)))


@register_method(
    "groups",
    stage="layers",
    source="Bondarenko et al. 2021, arXiv 2109.12948, section 4",
    changes_layers=True,
)
def grouped(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Convolutions before tanh and sigmoid split into channels of like range."""
    targets = packing_targets(evidence.packed_for)
    width = min(target.kernel.outputs for target in targets)
    model, pictures = network.model, evidence.stack(PICTURES)
    worth = worth_of_copies(model, pictures, width=width)
    tiles = affordable_tiles(model, targets, width=width, worth=worth)
    model = with_groups(model, pictures, width=width, tiles=tiles)
    return network if model is network.model else observe(model, evidence)


def bounded_ranges(network: QuantizedNetwork, evidence: Evidence) -> dict[str, TensorRange]:
    """What tanh and sigmoid read, saturated where their output suffers least: range by point."""
    found = {}
    for activation in find_bounded(network.model):
        ends, costs = saturation_costs(network.model, activation, evidence.stack(PICTURES))
        end = float(ends[costs.sum(axis=0).argmin()])
        if activation.source in network.ranges:
            found[activation.source] = TensorRange(-end, end)
    return found


@register_method(
    "bounded", stage="ranges", source="after Choukroun et al. 2019, arXiv 1902.06822, section 3"
)
def bounded(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """What tanh and sigmoid read saturated where their output suffers least."""
    narrower = bounded_ranges(network, evidence)
    return QuantizedNetwork(network.model, network.ranges.replacing(narrower))
