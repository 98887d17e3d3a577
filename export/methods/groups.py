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

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras

from export.methods.split import allot_copies
from export.quantizing.channels import channel_sensitivities, channel_values
from export.quantizing.quantized_network import Evidence, QuantizedNetwork, observe
from export.quantizing.registry import register_method
from sr_models.networks.graph import points, rebuild
from sr_models.quantization.ranges import TensorRange
from sr_models.quantization.simulator import FIXED_GRIDS

PICTURES = 16
ROWS = 20_000
LEAST_END = 1e-3
LARGEST_END = 8.0
ENDS = 40
GROUPS = 4
LEAST_GAIN = 1.2
"""Groups are made where they lower the error at least by this factor."""
CODES = 255
CHANNELS_FOR_A_COPY = 16
"""One copy is made for so many channels: layers grow by a sixteenth at most."""
SMALL = 1e-3
LEAST_SLOPE = 0.05
"""A channel that is nearly always saturated is not moved by more than this asks for."""


@dataclass(frozen=True)
class BoundedActivation:
    """A tanh or sigmoid whose input one convolution makes for it alone.

    Attributes:
        name: Its point.
        source: The point that it reads, a convolution without activation.
        readers: The convolutions that read it; empty where anything else does.
    """

    name: str
    source: str
    readers: tuple[str, ...]


def find_bounded(model) -> list[BoundedActivation]:
    """Activations of a fixed grid, in the order of computation."""
    graph = points(model)

    def is_plain(name: str) -> bool:
        layer = graph[name].layer
        return type(layer) is tf_keras.layers.Conv2D and layer.groups == 1

    found = []
    for name, point in graph.items():
        if not point.has_fixed_grid or graph[point.inputs[0]].consumers != [name]:
            continue
        (source,) = point.inputs
        if is_plain(source) and graph[source].layer.activation.__name__ == "linear":
            plain = all(is_plain(reader) for reader in point.consumers)
            found.append(BoundedActivation(name, source, tuple(point.consumers) if plain else ()))
    return found


def saturation_costs(
    model, found: BoundedActivation, pictures: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What each channel's error costs the output, by the end of the range.

    Args:
        model: Float network.
        found: The activation.
        pictures: float32 (N, h, w, 3) in 0..1.

    Returns:
        Ends a of ranges -a..a: float64 (ENDS,), and squared errors of the output to first order:
        float64 (C, ENDS).
    """
    graph = points(model)
    values = tf_keras.Model(model.input, graph[found.source].tensor)(pictures).numpy()
    values = values.reshape(-1, values.shape[-1])
    values = values[:: max(1, len(values) // ROWS)]
    activation = graph[found.name].layer.activation
    expected = activation(values).numpy()
    widest = max(LEAST_END, min(LARGEST_END, float(np.abs(values).max())))
    ends = np.geomspace(widest / 16.0, widest, ENDS)
    errors = []
    for end in ends:
        step = 2.0 * end / CODES
        stored = np.clip(np.rint(values / step) * step, -end, end)
        errors.append(np.square(activation(stored).numpy() - expected).mean(axis=0))
    weight = channel_sensitivities(model, [found.name], pictures)[found.name]
    return ends, weight[:, None] * np.stack(errors, axis=1)


def group_channels(costs: np.ndarray, *, most: int = GROUPS) -> list[np.ndarray]:
    """Channels in at most `most` groups of least cost, each group having its best end.

    Args:
        costs: float64 (C, ENDS).

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
                    for j in range(1, i)
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


def lay_out(model, found: BoundedActivation, pictures: np.ndarray) -> Layout:
    """Channels in groups of like range, the costliest of them several times.

    The output's grid is TFLite's and cannot be made finer; but the mean of k copies whose outputs
    are moved by 0, 1/k, ... of a step has steps of a k-th of the size (as `split` has it).
    """
    groups = group_channels(saturation_costs(model, found, pictures)[1])
    cost = channel_sensitivities(model, [found.name], pictures)[found.name]
    layers = [points(model)[name].layer for name in (found.source, *found.readers)]
    spare = len(cost) // CHANNELS_FOR_A_COPY if all(layer.use_bias for layer in layers) else 0
    copies = allot_copies(cost, spare)
    activation = points(model)[found.name].layer.activation
    values = np.concatenate(
        [v[found.source] for v in channel_values(model, [found.source], pictures)]
    ).reshape(-1, len(cost))
    plain = activation(tf.constant(values)).numpy()
    slopes = (activation(tf.constant(values + SMALL)).numpy() - plain).mean(axis=0) / SMALL
    slopes, step = np.maximum(slopes, LEAST_SLOPE), FIXED_GRIDS[activation.__name__].scale
    shifts, moves = [], []
    for group in groups:
        own = [step * j / copies[c] / slopes[c] for c in group for j in range(copies[c])]
        held = np.repeat(group, copies[group])
        moved = activation(tf.constant(values[:, held] + np.float32(own))).numpy()
        shifts.append(np.array(own))
        moves.append((moved - plain[:, held]).mean(axis=0))
    groups = [np.repeat(group, copies[group]) for group in groups]
    shares = 1.0 / copies[np.concatenate(groups)]
    return Layout(groups, shifts, shares, np.concatenate(moves))


def with_groups(model, pictures: np.ndarray):
    """The network with the convolutions before bounded activations split by range.

    Where channels stand in it more than once, it computes the same but for a part of a step of the
    activation's grid, since tanh does not answer to a shift with a shift.
    """
    graph = points(model)
    layouts, readers, activations = {}, {}, {}
    for found in find_bounded(model):
        if found.readers:
            layout = lay_out(model, found, pictures)
            if len(layout.groups) > 1 or (layout.shares < 1.0).any():
                layouts[found.source] = layout
                activations[found.name] = found.source
                readers |= dict.fromkeys(found.readers, layout)
    if not layouts:
        return model
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
                for i, (group, shift) in enumerate(zip(layout.groups, layout.shifts)):
                    own = kernel[..., group], [b[group] + shift for b in bias]
                    y = new_convolution(source, f"{source.name}_group{i}", *own)(tensor)
                    name = f"{layer.name}_group{i}"
                    made.append(tf_keras.layers.Activation(layer.activation, name=name)(y))
                return tf_keras.layers.Concatenate(name=layer.name)(made)

            return in_groups
        if layer.name in readers:
            return new_convolution(layer, layer.name, *reordered(layer))
        return layer

    made = rebuild(model, lambda _, tensor: tensor, replace_layer=rewritten)
    for name, values in weights.items():
        made.get_layer(name).set_weights(values)
    return made


@register_method(
    "groups",
    stage="network",
    source="Bondarenko et al. 2021, arXiv 2109.12948, section 4",
    changes_layers=True,
)
def grouped(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Convolutions before tanh and sigmoid split into channels of like range."""
    model = with_groups(network.model, evidence.stack(PICTURES))
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
