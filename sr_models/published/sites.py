"""Where a network can be quantized: its convolutions, what they read, and what part they are of.

The papers quantize the body of a network and leave its head and its tail in float, or in eight
bits. Which layers those are is said there by name; here it follows from the graph, so that it holds
for every family:

- A *block* is an addition of a tensor and of what convolutions make of that tensor, without another
  addition between: EDSR's residual blocks and RDN's residual dense blocks.
- Where there are blocks, their convolutions are the body, and those between the last block and the
  long skip the merge (EDSR's last of the body), or the fusion where what they read joins blocks, as
  RDN's global fusion does. All three released codes quantize the fusion as they do the body; the
  merge stays float in PAMS and DFSQ, and in outlier-aware where head and tail do.
- Elsewhere (ABPN, XLSR) the head is what reads the picture, the tail what no other convolution
  reads, and the body the rest. That is our own reading: no paper quantized such networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tf_keras

from sr_models.ground.errors import OptionError
from sr_models.networks.graph import INPUT, Point, points
from sr_models.networks.graph import quantized_points as stored_points

ROLES = ("head", "body", "fusion", "merge", "tail")
QUANTIZED = ("body", "fusion")
"""The roles whose convolutions every method quantizes at the width asked for."""


@dataclass(frozen=True)
class Block:
    """A residual block.

    Attributes:
        entry: Name of the point that the block reads and that its shortcut carries.
        branch: Name of the point that is added to the shortcut.
        exit: Name of the addition.
        convolutions: Names of the block's convolutions, in the order they are computed.
        joins: Names of the concatenations in it, in that order: those of a dense block.
    """

    entry: str
    branch: str
    exit: str
    convolutions: tuple[str, ...]
    joins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Site:
    """A convolution and what it reads.

    Attributes:
        name: Name of the convolution's point.
        reads: Name of the point that it reads.
        role: One of `ROLES`.
        rectified: Whether what it reads is never negative, because a ReLU made it.
    """

    name: str
    reads: str
    role: str
    rectified: bool


def is_convolution(layer) -> bool:
    """Whether a layer is a plain, possibly grouped, convolution."""
    return type(layer) is tf_keras.layers.Conv2D


def shifts_colours(layer) -> bool:
    """Whether a convolution does nothing but scale and shift each colour by itself.

    Published networks subtract and add a mean colour so (`MeanShift`), in float: no method
    quantizes it.
    """
    if not is_convolution(layer) or layer.kernel_size != (1, 1) or layer.groups > 1:
        return False
    kernel = layer.kernel.numpy()[0, 0]
    colours = kernel.shape in ((1, 1), (3, 3))
    plain = colours and layer.activation is tf_keras.activations.linear
    return plain and bool((kernel == np.diag(np.diag(kernel))).all())


def _ancestors(graph: dict[str, Point]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, point in graph.items():
        found[name] = set(point.inputs).union(*(found[i] for i in point.inputs))
    return found


def residual_blocks(model) -> list[Block]:
    """The residual blocks of a functional network, in the order they are computed."""
    graph = points(model)
    ancestors = _ancestors(graph)
    found = []
    for name, point in graph.items():
        if not isinstance(point.layer, tf_keras.layers.Add) or len(point.inputs) != 2:
            continue
        for entry, branch in (point.inputs, point.inputs[::-1]):
            inside = [
                n
                for n in graph
                if (n in ancestors[branch] or n == branch) and entry in ancestors[n]
            ]
            has_addition = any(isinstance(graph[n].layer, tf_keras.layers.Add) for n in inside)
            convolutions = tuple(n for n in inside if is_convolution(graph[n].layer))
            joins = tuple(n for n in inside if graph[n].concatenates)
            if convolutions and not has_addition:
                found.append(Block(entry, branch, name, convolutions, joins))
    return found


def is_rectified(graph: dict[str, Point], name: str) -> bool:
    """Whether a ReLU keeps a tensor from being negative."""
    point = graph[name]
    if isinstance(point.layer, tf_keras.layers.ReLU):
        return not point.layer.negative_slope
    if point.layer is None:
        return False
    if point.passes_through or point.concatenates:
        return all(is_rectified(graph, i) for i in point.inputs)
    return getattr(point.layer, "activation", None) is tf_keras.activations.relu


def convolution_sites(model) -> list[Site]:
    """Every convolution of a network but shifts of colours, in the order they are computed."""
    graph = points(model)
    ancestors = _ancestors(graph)
    names = [
        name
        for name, point in graph.items()
        if is_convolution(point.layer) and not shifts_colours(point.layer)
    ]
    blocks = residual_blocks(model)
    in_blocks = {name for block in blocks for name in block.convolutions}
    before = {n for block in blocks for n in ancestors[block.exit]}
    merged = ancestors[body_output(model)] if blocks else set()
    joined = {
        name
        for name, point in graph.items()
        if point.concatenates and blocks and blocks[-1].exit in ancestors[name]
    }

    def role(name: str) -> str:
        if in_blocks:
            if name in in_blocks:
                return "body"
            if name in before:
                return "head"
            if name not in merged:
                return "tail"
            return "fusion" if joined & ancestors[name] else "merge"
        if not any(other in ancestors[name] for other in names):
            return "head"
        return "body" if any(name in ancestors[other] for other in names) else "tail"

    return [
        Site(name, graph[name].inputs[0], role(name), is_rectified(graph, graph[name].inputs[0]))
        for name in names
    ]


def body_sites(model) -> list[Site]:
    """The convolutions of body and fusion; raises `OptionError` where a network has none."""
    found = [site for site in convolution_sites(model) if site.role in QUANTIZED]
    if not found:
        raise OptionError(
            f"expected convolutions between the first and the last one, found none in "
            f"{model.name}; take a deeper network or quantize head and tail too"
        )
    return found


def feature_points(model) -> list[str]:
    """Points whose values a quantized network should keep: block outputs, else body convolutions.

    Networks without blocks are not treated by the papers; their body's convolutions are our choice.
    A network of neither has none.
    """
    blocks = residual_blocks(model)
    if blocks:
        return [block.exit for block in blocks]
    return [site.name for site in convolution_sites(model) if site.role == "body"]


def body_output(model) -> str:
    """The point behind the body and the long skip, before the upsampler.

    For networks without blocks, which PAMS does not treat, what the last convolution reads.
    """
    blocks = residual_blocks(model)
    if not blocks:
        return convolution_sites(model)[-1].reads
    graph = points(model)
    ancestors = _ancestors(graph)
    additions = [
        name
        for name, point in graph.items()
        if isinstance(point.layer, tf_keras.layers.Add) and blocks[-1].exit in ancestors[name]
    ]
    return additions[0] if additions else blocks[-1].exit


def quantized_tensors(model, *, bits: int, edge_bits: int | None) -> dict[str, int]:
    """Bits of each point where every tensor shall have one grid, whoever reads it.

    That is what a file of integers needs, and our own placement.

    Args:
        model: Functional network.
        bits: Width of what the body reads and adds.
        edge_bits: Width of all other stored tensors; `None` leaves them float.

    Returns:
        Point -> bits, without pixels, whose grid is fixed, and without what is only moved.
    """
    graph, found = points(model), {}
    for site in convolution_sites(model):
        if site.role in QUANTIZED:
            found[site.reads] = bits
    for block in residual_blocks(model):
        found[block.entry] = found[block.branch] = bits
    if edge_bits is not None:
        for name in stored_points(model):
            found.setdefault(name, edge_bits)
    left = points_of_pixels(model)
    left |= {n for n, point in graph.items() if point.passes_through and point.inputs[0] in found}
    return {name: width for name, width in found.items() if name not in left}


def points_of_pixels(model) -> set[str]:
    """Points whose codes are pixels: the input, the output, and what is only moved of either."""
    graph = points(model)
    found = {INPUT}
    for name, point in graph.items():
        if (point.passes_through or point.repeats) and point.inputs[0] in found:
            found.add(name)
    name = next(n for n, p in graph.items() if p.tensor is model.output)
    while name is not None:
        found.add(name)
        moved = graph[name].shares_grid
        name = graph[name].inputs[0] if moved else None
    return found
