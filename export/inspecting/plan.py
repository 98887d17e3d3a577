"""Which clips of a file can be taken out, and what has to change so that nothing else does."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from export.inspecting.clips import (
    MAX_PATHS,
    Inside,
    Path,
    affine_of,
    data_inputs,
    is_clip,
    link_of,
    paths_from,
    paths_to,
    store_of,
)
from export.inspecting.reachable import reachable_codes
from export.tflite.operators import FUSES_ACTIVATION, name_of
from export.tflite.steps import Link, Obstacle, Step, greatest_difference
from sr_models.quantization.grids import Grid
from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel

NO_OP, RETARGETED, UNBOUNDED = "no_op", "retargeted", "unbounded"

_MAX_CLIPS, _MAX_COMBINATIONS = 64, 1024
"""No network has more; a file made to keep us busy may."""

LIMITS_BY_DTYPE = {"int8": 1, "uint8": 1, "int16": 4}
"""Codes that an output may change by. Kernels for 16 bits are themselves off by a code or two."""


@dataclass(frozen=True)
class ClipSite:
    """The clips that end at one tensor, and how they go.

    Attributes:
        clips: Operators that bound, in order of execution.
        dropped: Operators that go: the clips, and each `QUANTIZE` that would do nothing then.
        proof: `no_op` where the clips cannot change a code, so that the file stays bit-exact;
            `retargeted` where the producers store on the clip's own grid instead; `unbounded`
            where a clip of real numbers went on request, and whoever reads has to saturate.
        bound: Codes that any output can change by, in the arithmetic of the quantization
            specification, whatever the weights and the picture.
        grid: The grid that producers store on now; `None` for `no_op`.
        retargeted: Tensors that get that grid.
        activations: Producers (operator index) that get a fused activation, and which.
        producers: Names of the producers.
    """

    clips: tuple[OperatorInfo, ...]
    dropped: tuple[Link, ...]
    proof: str
    bound: int
    grid: Grid | None = None
    retargeted: tuple[int, ...] = ()
    activations: tuple[tuple[int, str], ...] = ()
    producers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Names, proof, bound and grid."""
        return {
            "clips": [name_of(op) for op in self.clips],
            "producers": list(self.producers),
            "proof": self.proof,
            "bound": self.bound,
            "grid": self.grid and self.grid.to_json(),
            "fused_activations": [name for _, name in self.activations],
        }


@dataclass(frozen=True)
class StripPlan:
    """What to do with the clips of a file.

    Attributes:
        sites: Clips that go.
        obstacles: Clips of the picture that cannot go, with the operator that stands in the way.
        left: Clips inside of the network that do change codes, and so belong to it.
    """

    sites: tuple[ClipSite, ...]
    obstacles: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def bound(self) -> int:
        """Codes that an output can change by."""
        return max((site.bound for site in self.sites), default=0)

    @property
    def proof(self) -> str:
        """The weakest proof of all its sites."""
        held = {site.proof for site in self.sites}
        return next((proof for proof in (UNBOUNDED, RETARGETED) if proof in held), NO_OP)


def plan_strip(model: UnpackedModel, *, limit: int | None = None) -> StripPlan:
    """Find every clip of a file, and how each can go.

    Args:
        model: The file.
        limit: Codes that an output may change by; by default as `LIMITS_BY_DTYPE` says.
    """
    if sum(is_clip(model, op) for op in model.graph.operators) > _MAX_CLIPS:
        return StripPlan((), (f"more than {_MAX_CLIPS} operators bound values",), ())
    reach = reachable_codes(model)
    harmless = {link.op.index: link for link in _clip_links(model) if _is_no_op(model, link, reach)}
    sites, obstacles, left = [], [], []
    for op in model.graph.operators:
        if op.index in harmless or not is_clip(model, op) or not op.outputs:
            continue
        if model.graph.tensors[op.outputs[0]].dtype.startswith("float"):
            left.append(f"{name_of(op)} works on real numbers")
            continue
        try:
            ways = _ways_on(model, op.outputs[0])
        except Inside as inside:
            left.append(f"{name_of(op)}: {inside}")
            continue
        except Obstacle as obstacle:
            obstacles.append(f"{name_of(op)} cannot go: {obstacle}")
            continue
        if any(is_clip(model, k.op) and k.op.index not in harmless for way in ways for k in way):
            continue  # The clip further on takes this one with it.
        try:
            sites.append(_retarget(model, op, ways=ways, limit=limit))
        except Obstacle as obstacle:
            obstacles.append(f"{name_of(op)} cannot go: {obstacle}")
    taken = {link.op.index for site in sites for link in site.dropped}
    sites += [
        ClipSite((link.op,), (link,), NO_OP, 0) for i, link in harmless.items() if i not in taken
    ]
    return StripPlan(tuple(sites), tuple(obstacles), tuple(left))


def _clip_links(model: UnpackedModel) -> Iterable[Link]:
    for op in model.graph.operators:
        if is_clip(model, op):
            try:
                yield link_of(model, op, data_inputs(model, op)[0])
            except Obstacle:
                continue


def _is_no_op(model: UnpackedModel, link: Link, reach: dict[int, tuple[int, int]]) -> bool:
    if {link.source, link.target} <= {*model.graph.inputs, *model.graph.outputs}:
        return False  # Two names that the file's user knows: one tensor cannot have both.
    low, high = reach.get(link.source, link.steps[0].source.limits)
    return not any(step.changes(low, high) for step in link.steps)


def _ways_on(model: UnpackedModel, tensor: int) -> list[tuple[Link, ...]]:
    ways = list(itertools.islice(paths_from(model, tensor), MAX_PATHS + 1))
    if len(ways) > MAX_PATHS:
        raise Obstacle(f"more than {MAX_PATHS} paths lead on from it")
    return ways


def _retarget(
    model: UnpackedModel, last: OperatorInfo, *, ways: list[tuple[Link, ...]], limit: int | None
) -> ClipSite:
    """Give the producers before a clip the grid behind it, or one that a later `QUANTIZE` has."""
    source = data_inputs(model, last)[0]
    link = link_of(model, last, source)
    paths = [path.then(link) for path in paths_to(model, source, reader=last)]
    candidates = [
        site
        for length in _ends(model, last.outputs[0], ways)
        for activation in (None, "RELU", "RELU6", "RELU_N1_TO_1")
        if (site := _site(model, paths, ways=ways, length=length, activation=activation))
    ]
    if not candidates:
        raise Obstacle(f"no producer before {name_of(last)} has a type that its grid fits")
    if limit is None:
        limit = LIMITS_BY_DTYPE[link.steps[0].target.dtype]
    # As many operators as may go; then the closest; then without a fused activation.
    fit = [site for site in candidates if site.bound <= limit]
    if not fit:
        bound = min(site.bound for site in candidates)
        raise Obstacle(_too_far(paths[0], link, bound=bound, limit=limit))
    return min(fit, key=lambda site: (-len(site.dropped), site.bound))


def _ends(model: UnpackedModel, tensor: int, ways: list[tuple[Link, ...]]) -> list[int]:
    """How many links behind the clip the new grid may be taken from: 0, or up to a `QUANTIZE`."""
    lengths = [0]
    if len(ways) == 1:
        for length, link in enumerate(ways[0], 1):
            if link.source in model.graph.outputs or link.op.name == "CONCATENATION":
                break
            if affine_of(model, link.op) is not None:
                break  # Behind it codes stand for other values.
            if link.op.name == "QUANTIZE":
                lengths.append(length)
    return lengths


def _site(
    model: UnpackedModel,
    paths: list[Path],
    *,
    ways: list[tuple[Link, ...]],
    length: int,
    activation: str | None,
) -> ClipSite | None:
    links = [link for branch in (*(path.links for path in paths), *ways) for link in branch]
    if len(paths) * len(ways) * math.prod(len(link.steps) for link in links) > _MAX_COMBINATIONS:
        raise Obstacle("too many bounds that differ by channel stand before it")
    way = ways[0][:length]
    end = way[-1].target if way else paths[0].links[-1].target
    grid = model.grid(end)
    tensors: dict[int, Grid] = {}
    activations: dict[int, str] = {}
    dropped: dict[int, Link] = {}
    bound = 0
    for path in paths:
        links = (*path.links, *way)
        own = grid.as_dtype(model.grid(path.tensor).dtype)
        if own is None:
            return None
        if activation is not None:
            if path.producer.name not in FUSES_ACTIVATION or not model.can_fuse(path.producer):
                return None
            activations[path.producer.index] = activation
        kept, held = [], own
        tensors[path.tensor] = own
        for link in links:
            after = grid.as_dtype(model.grid(link.target).dtype)
            if after is None:
                return None
            tensors[link.target] = after
            if is_clip(model, link.op) or (link.op.name == "QUANTIZE" and after == held):
                dropped[link.op.index] = link
            else:
                kept.append(Step(held, after, *after.limits))
            held = after
        store = store_of(model, path.producer, path.tensor, grid=own, activation=activation)
        for rest in ways:
            behind = rest[length:]
            for old in itertools.product(*(link.steps for link in (*links, *behind))):
                # Clips further on were idle on the old codes and go as well: no help from them.
                passed = [link.steps[0] for link in behind if not is_clip(model, link.op)]
                new = [*kept, *passed]
                bound = max(bound, greatest_difference((path.store, old), (store, new)))
    changed = tuple(t for t, g in tensors.items() if g != model.grid(t))
    clips = tuple(link.op for _, link in sorted(dropped.items()) if is_clip(model, link.op))
    return ClipSite(
        clips,
        tuple(link for _, link in sorted(dropped.items())),
        RETARGETED,
        bound,
        grid,
        changed,
        tuple(sorted(activations.items())),
        tuple(dict.fromkeys(name_of(path.producer) for path in paths)),
    )


def _too_far(path: Path, last: Link, *, bound: int, limit: int) -> str:
    before, after = path.store.grid, last.steps[0].target
    low = max(step.lowest for link in path.links for step in link.steps if step.target == after)
    high = min(step.highest for link in path.links for step in link.steps if step.target == after)
    ends = [(code - after.zero_point) * after.scale for code in (low, high)]
    return (
        f"{name_of(path.producer)} stores {before.span[0]:.4g} to {before.span[1]:.4g} in steps of "
        f"{before.scale:.4g}; behind the clip, which ends at {ends[0]:.4g} and {ends[1]:.4g}, the "
        f"grid holds {after.span[0]:.4g} to {after.span[1]:.4g} in steps of {after.scale:.4g}, so "
        f"codes could change by {bound} where {limit} is allowed (--max-difference)"
    )
