"""Clips of real numbers, for those who take them out all the same.

XNNPACK fuses such a clip into the operator before it, so nothing is won on it; other runtimes may
pass over the picture for it. Without a clip the outputs leave black and white, and whoever stores
them as pixels has to saturate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from export.inspecting.clips import data_inputs, is_clip
from export.inspecting.plan import UNBOUNDED, ClipSite, StripPlan
from export.tflite.operators import MOVES, RECTIFIERS, name_of
from export.tflite.steps import Link, Obstacle
from sr_models.tflite.flatbuffer import OperatorInfo
from sr_models.tflite.unpacked import UnpackedModel

_RECTIFIED = {
    "RELU": (0.0, np.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}


@dataclass(frozen=True)
class FloatClip:
    """The clips of real numbers that stand before one output.

    Attributes:
        output: Tensor of the output.
        links: The clips; they have no steps, which are of integers.
        low: Lowest value that they let through.
        high: Highest value.
    """

    output: int
    links: tuple[Link, ...]
    low: float
    high: float


def with_float_clips(plan: StripPlan, clips: list[FloatClip]) -> StripPlan:
    """A plan that takes these clips out as well."""
    sites = [ClipSite(tuple(k.op for k in c.links), c.links, UNBOUNDED, 0) for c in clips]
    gone = tuple(name_of(link.op) for clip in clips for link in clip.links)
    left = (
        tuple(reason for reason in plan.left if not reason.startswith(gone)) if gone else plan.left
    )
    return replace(plan, sites=(*plan.sites, *sites), left=left)


def float_clips(model: UnpackedModel) -> list[FloatClip]:
    """The clips of real numbers between the last computing operator and each output.

    Raises:
        Obstacle: A tensor on the way has another reader, or a bound differs between elements.
    """
    found = []
    for output in model.graph.outputs:
        links, low, high, tensor = [], -np.inf, np.inf, output
        while (op := model.producers.get(tensor)) is not None:
            if not model.graph.tensors[tensor].dtype.startswith("float"):
                break
            if op.name not in MOVES and not is_clip(model, op):
                break
            if op.activation != "NONE" or op.name == "CONCATENATION":
                break
            (source,) = data_inputs(model, op)
            if [o for o in model.consumers[source] if o.index != op.index] or (
                source in model.graph.outputs
            ):
                raise Obstacle(f"others read what {name_of(op)} reads")
            if is_clip(model, op):
                # What comes later bounds the bounds before: min and max do not commute.
                bounds = _bounds(model, op)
                if bounds[0] > high or bounds[1] < low:
                    raise Obstacle(f"{name_of(op)} contradicts the clip behind it")
                low, high = max(low, bounds[0]), min(high, bounds[1])
                links.append(Link(op, source, tensor, ()))
            tensor = source
        if links:
            found.append(FloatClip(output, tuple(reversed(links)), float(low), float(high)))
    return found


def _bounds(model: UnpackedModel, op: OperatorInfo) -> tuple[float, float]:
    if op.name in RECTIFIERS:
        return _RECTIFIED[op.name]
    (constant,) = (i for i in op.inputs if model.graph.tensors[i].constant)
    values = model.constant(constant)
    if values is None or len(values) == 0 or not np.all(values == values[0]):
        raise Obstacle(f"the bound of {name_of(op)} differs between elements")
    value = float(values[0])
    return (-np.inf, value) if op.name == "MINIMUM" else (value, np.inf)
