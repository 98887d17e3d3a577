"""Layers shaped for the kernels that will run them, without changing what they compute.

A kernel computes whole tiles: sixteen output channels on most phones, eight on a desktop without
AVX-512, and four or eight input channels for each tap. Four rewrites take products away that come
to nothing, all of them exact in real numbers:

- Neighbours to channels. A convolution that reads the picture fills three of eight input channels
  at each of its taps. A convolution of ones and zeros, which eight bits compute exactly, puts each
  pixel's row of neighbours into its channels; what was h x w taps of three channels is h taps of
  3 w.
- Groups joined. Several groups of few channels become fewer of more, with zeros where channels
  know nothing of each other.
- Folding. A 1x1 convolution that only a 1x1 convolution reads becomes part of it.
- Zeros left out. A transposed convolution of 4x4 pixels and stride 2, written as a convolution, has
  channels for four pixels, each of which has weights at four of nine taps. Channels alike in this
  get a convolution of their own with the smallest kernel that holds them.

Whether a rewrite pays depends on the processor, and it is made only where the cost model
(`export.running.kernel_cost`) says so. Rewrites of layers that are alike stand or fall together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import tf_keras

from export.quantizing.network_cost import network_cost
from export.quantizing.quantized_network import Evidence, QuantizedNetwork, observe
from export.quantizing.registry import register_method
from export.running.kernel_cost import LEAST_GAIN
from export.running.targets import Target, packing_targets
from sr_models.networks.graph import Point, points, rebuild
from sr_models.networks.layers import MOST_JOINED, NeighboursToChannels
from sr_models.quantization.ranges import TensorRanges
from sr_models.quantization.simulator import simulate

PICTURES = 4
"""On which a rewrite that leaves out a rounding is asked whether it does harm."""


@dataclass(frozen=True)
class Rewrite:
    """Layers that are written in another form, all of them together.

    Attributes:
        layers: Their names.
        what: What is done, in words.
        apply: From a network to one with the other form, which shares the other layers.
        rounds_otherwise: Whether a tensor is stored that was not, or none that was.
    """

    layers: tuple[str, ...]
    what: str
    apply: Callable[[Any], Any]
    rounds_otherwise: bool = False


def gathered(model, names: Sequence[str]):
    """The network with convolutions of the picture read from rows of neighbours."""
    graph, made = points(model), {}
    widths = {name: graph[name].layer.kernel_size[1] for name in names}

    def read(consumer: str, source: str, tensor):
        if consumer not in widths:
            return tensor
        width = widths[consumer]
        if (source, width) not in made:
            made[source, width] = NeighboursToChannels(
                width, channels=tensor.shape[-1], name=f"{source}_neighbours{width}"
            )(tensor)
        return made[source, width]

    def reshaped(layer):
        kernel, *bias = layer.get_weights()
        height, width, inputs, outputs = kernel.shape
        return [kernel.reshape(height, 1, width * inputs, outputs), *bias]

    weights = {name: reshaped(graph[name].layer) for name in names}
    changes = {name: {"kernel_size": (graph[name].layer.kernel_size[0], 1)} for name in names}
    return _rewritten(model, weights, changes, read=read)


def joined(model, names: Sequence[str], groups: int):
    """The network with grouped convolutions in fewer groups, zeros between the former ones."""
    graph, weights = points(model), {}
    for name in names:
        layer = graph[name].layer
        kernel, *bias = layer.get_weights()
        together = layer.groups // groups
        height, width, reads, outputs = kernel.shape
        writes = outputs // layer.groups
        wide = np.zeros((height, width, together, reads, groups, together, writes), np.float32)
        parts = kernel.reshape(height, width, reads, groups, together, writes)
        for part in range(together):
            wide[:, :, part, :, :, part] = parts[:, :, :, :, part]
        weights[name] = [wide.reshape(height, width, together * reads, outputs), *bias]
    return _rewritten(model, weights, {name: {"groups": groups} for name in names})


def folded(model, name: str):
    """The network with a linear 1x1 convolution made part of the 1x1 convolution that reads it."""
    graph = points(model)
    first, reader, start = _fold(graph, name)
    inner, *inner_bias = (w.astype(np.float64) for w in first.get_weights())
    kernel, *bias = (w.astype(np.float64) for w in reader.get_weights())
    width = inner.shape[-1]
    before, own, after = np.split(kernel, [start, start + width], axis=2)
    bias = [b + i @ own[0, 0] for b, i in zip(bias, inner_bias)]
    kernel = np.concatenate([before, inner @ own[0, 0], after], axis=2)
    weights = {reader.name: [w.astype(np.float32) for w in (kernel, *bias)]}
    return _rewritten(model, weights, {reader.name: {}}, instead={name: lambda tensor: tensor})


def parted(model, name: str):
    """The network with a convolution in parts, whose kernels have no zeros around them."""
    graph = points(model)
    layer = graph[name].layer
    kernel, *bias = layer.get_weights()
    weights, parts = {}, []
    for run, (channels, size) in enumerate(_runs(kernel)):
        top, left = ((whole - 1) // 2 - (part - 1) // 2 for whole, part in zip(kernel.shape, size))
        own = kernel[top : top + size[0], left : left + size[1], :, channels]
        config = {**layer.get_config(), "name": f"{name}_group{run}", "kernel_size": size}
        config["filters"] = own.shape[-1]
        parts.append(tf_keras.layers.Conv2D.from_config(config))
        weights[parts[-1].name] = [own, *(b[channels] for b in bias)]

    def in_parts(tensor):
        return tf_keras.layers.Concatenate(name=name)([part(tensor) for part in parts])

    return _rewritten(model, weights, {}, instead={name: in_parts})


def _runs(kernel: np.ndarray) -> list[tuple[slice, tuple[int, int]]]:
    """Channels next to each other with kernels of one size, and the size that holds them all.

    The smallest kernel with zero padding reads from pixel -(k - 1) // 2 to k // 2.
    """
    sizes = []
    for channel in np.moveaxis(kernel, 3, 0):
        used = np.abs(channel).max(axis=2) > 0.0
        size = []
        for whole, along in zip(used.shape, (used.any(axis=1), used.any(axis=0))):
            places = np.flatnonzero(along) - (whole - 1) // 2
            low, high = (places.min(), places.max()) if len(places) else (0, 0)
            size.append(int(max(2 * high, 1 - 2 * low, 1)))
        sizes.append(tuple(size))
    starts = [c for c in range(len(sizes)) if c == 0 or sizes[c] != sizes[c - 1]]
    ends = [*starts[1:], len(sizes)]
    return [(slice(start, end), sizes[start]) for start, end in zip(starts, ends)]


def _rewritten(model, weights, changes, *, instead=MappingProxyType({}), **how):
    """The network with some convolutions made anew, and something else instead of others."""

    def replaced(layer):
        if layer.name in instead:
            return instead[layer.name]
        if isinstance(layer, tf_keras.layers.Concatenate):
            return type(layer).from_config(layer.get_config())
        if layer.name not in changes:
            return layer
        return tf_keras.layers.Conv2D.from_config({**layer.get_config(), **changes[layer.name]})

    made = rebuild(model, lambda _, tensor: tensor, replace_layer=replaced, **how)
    for name, values in weights.items():
        made.get_layer(name).set_weights(values)
    return made


def _is_free(layer) -> bool:
    return type(layer) is tf_keras.layers.Conv2D and layer.trainable


def _is_plain(layer) -> bool:
    return (
        _is_free(layer)
        and set(layer.strides) == set(layer.dilation_rate) == {1}
        and (layer.padding == "same" or set(layer.kernel_size) == {1})
    )


def _fold(graph: dict[str, Point], name: str):
    """The convolution, the one that reads it, and from which of that one's inputs on; or `None`."""
    point = graph[name]
    if not _is_pointwise(point.layer) or point.layer.activation.__name__ != "linear":
        return None
    start, source = 0, name
    while len(graph[source].consumers) == 1:
        reader = graph[graph[source].consumers[0]]
        if _is_pointwise(reader.layer):
            biases = reader.layer.use_bias or not point.layer.use_bias
            return (point.layer, reader.layer, start) if biases else None
        if not reader.concatenates or reader.layer.axis not in (-1, 3):
            return None
        if reader.inputs.count(source) > 1:
            return None
        place = reader.inputs.index(source)
        start += sum(graph[other].tensor.shape[-1] for other in reader.inputs[:place])
        source = reader.name
    return None


def _is_pointwise(layer) -> bool:
    return _is_plain(layer) and set(layer.kernel_size) == {1} and layer.groups == 1


def find_rewrites(model, *, kept: Sequence[str] = ()) -> Iterator[Rewrite]:
    """Everything that could be written otherwise, in the order in which it is tried.

    Args:
        model: Float functional network in its deployed form.
        kept: Names of layers that stay as they are.
    """
    graph = points(model)
    free = {n: p for n, p in graph.items() if _is_plain(p.layer) and p.layer.name not in kept}
    reading = [
        name
        for name, point in free.items()
        if graph[point.inputs[0]].layer is None
        and point.layer.groups == 1
        and min(point.layer.kernel_size) > 1
    ]
    if reading:
        yield Rewrite(
            tuple(reading), "reads rows of neighbours as channels", lambda m: gathered(m, reading)
        )
    for name in free:
        if (fold := _fold(graph, name)) and fold[1].name not in kept:
            what = f"is made part of {fold[1].name}"
            yield Rewrite((name,), what, lambda m, n=name: folded(m, n), rounds_otherwise=True)
    for name, point in free.items():
        if point.layer.groups == 1 and 1 < len(_runs(point.layer.kernel.numpy())) <= MOST_JOINED:
            what = "leaves out the zeros around its kernels"
            yield Rewrite((name,), what, lambda m, n=name: parted(m, n))
    alike: dict[tuple, list[str]] = {}
    for name, point in free.items():
        if point.layer.groups > 1:
            alike.setdefault((point.layer.kernel.shape, point.layer.groups), []).append(name)
    for (_, now), names in alike.items():
        for groups in (count for count in range(1, now) if now % count == 0):
            what = f"{now} groups become {groups}"
            apply = lambda m, n=tuple(names), g=groups: joined(m, n, g)  # noqa: E731 - bound now
            yield Rewrite(tuple(names), what, apply)


def left_alone(model) -> list[str]:
    """Grouped convolutions that no rewrite here takes, in words."""
    return [
        f"{name} stays in {point.layer.groups} groups: "
        + ("it is dilated or strided" if _is_free(point.layer) else "its weights are fixed")
        for name, point in points(model).items()
        if isinstance(point.layer, tf_keras.layers.Conv2D)
        and point.layer.groups > 1
        and not _is_plain(point.layer)
    ]


def gain(model, other, targets: Sequence[Target]) -> float:
    """The share of the network's cost that another form saves the target that gains most.

    Negative where any of them would lose by it.
    """
    saved = [1.0 - network_cost(other, t) / network_cost(model, t) for t in targets]
    return min(saved) if min(saved) < 0.0 else max(saved)


def pack(
    model,
    targets: Sequence[Target],
    *,
    kept: Sequence[str] = (),
    allows: Callable[[Any, Any], bool] = lambda before, after: True,
    on_note: Callable[[str], None] = lambda note: None,
):
    """The network in the form that costs targets least; itself where it is that one.

    Args:
        model: Float functional network in its deployed form.
        targets: Whom layers are packed for: one, or several of which none may lose by it.
        kept: Names of layers that stay as they are.
        allows: Whether a form that rounds otherwise may take the place of another.
        on_note: Told of everything that is done, and of what cannot be.
    """
    for note in left_alone(model):
        on_note(f"pack: {note}")
    refused: set[tuple[str, ...]] = set()
    while True:
        found = []
        for rewrite in find_rewrites(model, kept=kept):
            if (*rewrite.layers, rewrite.what) not in refused:
                other = rewrite.apply(model)
                found.append((gain(model, other, targets), rewrite, other))
        best = max(found, key=lambda one: one[0], default=None)
        if best is None or best[0] < LEAST_GAIN:
            return model
        saved, rewrite, other = best
        if rewrite.rounds_otherwise and not allows(model, other):
            refused.add((*rewrite.layers, rewrite.what))
            on_note(f"pack: {rewrite.layers[0]} stays, for int8 would lose by leaving it out")
            continue
        names = ", ".join(rewrite.layers)
        on_note(f"pack: {names}: {rewrite.what} ({saved:.0%} of the products and their handling)")
        model = other


def clipped_answer(model, pictures: np.ndarray) -> np.ndarray:
    """What a float network makes of pictures, between black and white."""
    return np.clip(model(pictures, training=False).numpy(), 0.0, 1.0)


def squared_error(model, ranges: TensorRanges, pictures: np.ndarray, exact: np.ndarray) -> float:
    """Mean squared distance of the int8 network, weights rounded plainly, from an answer."""
    stored = simulate(model, ranges)(pictures, training=False).numpy()
    return float(np.square(stored - exact).mean())


def _loses_nothing(before, after, evidence: Evidence) -> bool:
    """Whether int8 by min/max of a new form is as near to the network before as that one's is.

    Both are held against the former network: another function is no better one.
    """
    pictures = evidence.stack(PICTURES)
    exact = clipped_answer(before, pictures)
    was, now = (squared_error(m, evidence.observe(m), pictures, exact) for m in (before, after))
    return now <= was


@register_method(
    "pack",
    stage="packing",
    source="for the tiles of Dukhan 2019, arXiv 1907.02129, as XNNPACK has them",
    changes_layers=True,
)
def packed(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Layers in the form that fills the kernels of the target that files are made for."""
    model = pack(
        network.model,
        packing_targets(evidence.packed_for),
        kept=evidence.kept,
        allows=lambda before, after: _loses_nothing(before, after, evidence),
        on_note=evidence.on_note,
    )
    return network if model is network.model else observe(model, evidence)
