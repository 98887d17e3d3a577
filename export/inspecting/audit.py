"""What a `.tflite` file really holds: read back from the flatbuffer, never assumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.tflite.pixel_ends import ends_of_grid
from sr_models.ground.pixel_range import Ends, PixelRange
from sr_models.quantization.contract import PixelContract, PixelGrid
from sr_models.quantization.ranges import TensorRange
from sr_models.tflite.flatbuffer import FileGraph, OperatorInfo, TensorInfo, read_graph
from sr_models.tflite.unpacked import grid_of

_BOUNDS = ("MINIMUM", "MAXIMUM", "RELU_0_TO_1", "RELU_N1_TO_1", "RELU6")
_TAIL_BOUNDS = (*_BOUNDS, "RELU")
_MOVES = (
    "QUANTIZE",
    "DEQUANTIZE",
    "DEPTH_TO_SPACE",
    "RESHAPE",
    "TRANSPOSE",
    "CONCATENATION",
    "CAST",
)
_ZERO_CODE = {"uint8": 0, "int8": -128}


@dataclass(frozen=True)
class Audit:
    """What a file holds.

    Attributes:
        full_integer: No float tensor anywhere, input and output included.
        clip_ops: Stand-alone operators that bound values: `MINIMUM`, `MAXIMUM` and bounded ReLUs
            anywhere, a plain `RELU` where it stands between the last computing operator and the
            output. Each with op, index, height, width, channels.
        ops: Operator name -> count.
        inputs: Input tensors.
        outputs: Output tensors.
        pixel_contract: Whether codes are pixels.
        float_tensors: Number of float tensors.
        sha256: SHA-256 of the file.
        size_bytes: Size of the file.
    """

    full_integer: bool
    clip_ops: tuple[dict[str, Any], ...]
    ops: dict[str, int]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    pixel_contract: PixelContract
    float_tensors: int
    sha256: str
    size_bytes: int

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "full_integer": self.full_integer,
            "clip_ops": list(self.clip_ops),
            "ops": self.ops,
            "inputs": [tensor.to_json() for tensor in self.inputs],
            "outputs": [tensor.to_json() for tensor in self.outputs],
            "pixel_contract": self.pixel_contract.to_json(),
            "float_tensors": self.float_tensors,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
        }


def audit_model(source: str | Path | bytes, *, pixels: PixelRange | None = None) -> Audit:
    """Read a `.tflite` file and say what it holds.

    Args:
        source: Path or content.
        pixels: What black and white are; by the grids of input and output without it.

    Raises:
        ModelFileError: The file is missing, damaged or none.
    """
    return audit_graph(read_graph(source), pixels=pixels)


def audit_graph(graph: FileGraph, *, pixels: PixelRange | None = None) -> Audit:
    """Say what the main subgraph of a file holds."""
    used = {i for op in graph.operators for i in (*op.inputs, *op.outputs) if i >= 0}
    used |= {*graph.inputs, *graph.outputs}
    floats = sum(graph.tensors[i].dtype.startswith(("float", "bfloat")) for i in used)
    inputs = tuple(graph.tensors[i] for i in graph.inputs)
    outputs = tuple(graph.tensors[i] for i in graph.outputs)
    return Audit(
        full_integer=floats == 0,
        clip_ops=tuple(describe_operator(graph, op) for op in clip_operators(graph)),
        ops=dict(sorted(Counter(op.name for op in graph.operators).items())),
        inputs=inputs,
        outputs=outputs,
        pixel_contract=check_pixel_contract(inputs, outputs, pixels=pixels),
        float_tensors=floats,
        sha256=graph.sha256,
        size_bytes=graph.size_bytes,
    )


def clip_operators(graph: FileGraph) -> list[OperatorInfo]:
    """Stand-alone operators that bound values, in order of execution."""
    found = {op.index: op for op in graph.operators if op.name in _BOUNDS}
    waiting, seen = list(graph.outputs), set()
    while waiting:
        tensor = waiting.pop()
        op = graph.producer(tensor)
        if tensor in seen or op is None or op.name not in (*_TAIL_BOUNDS, *_MOVES):
            continue
        seen.add(tensor)
        if op.name in _TAIL_BOUNDS:
            found[op.index] = op
        waiting += [i for i in op.inputs if i >= 0 and not graph.tensors[i].constant]
    return [found[index] for index in sorted(found)]


def describe_operator(graph: FileGraph, op: OperatorInfo) -> dict[str, Any]:
    """Name and place of an operator, and the size of what it writes."""
    shape = graph.tensors[op.outputs[0]].shape if op.outputs else ()
    height, width, channels = shape[1:] if len(shape) == 4 else (None, None, None)
    return {
        "op": op.name,
        "index": op.index,
        "height": height,
        "width": width,
        "channels": channels,
    }


def check_pixel_contract(
    inputs: tuple[TensorInfo, ...],
    outputs: tuple[TensorInfo, ...],
    *,
    pixels: PixelRange | None = None,
) -> PixelContract:
    """Whether the codes of all inputs and outputs are pixels, and if not, why.

    Args:
        inputs: Input tensors.
        outputs: Output tensors.
        pixels: What black and white are; by each tensor's own grid without it.
    """
    reasons = []
    sides = (
        ("input", inputs, pixels and pixels.input_ends),
        ("output", outputs, pixels and pixels.output_ends),
    )
    for role, tensors, ends in sides:
        if len(tensors) != 1:
            reasons.append(f"expected one {role}, found {len(tensors)}")
        reasons += [reason for tensor in tensors for reason in broken_by(role, tensor, ends=ends)]
    return PixelContract(tuple(reasons))


def broken_by(role: str, tensor: TensorInfo, *, ends: Ends | None = None) -> list[str]:
    """Why the codes of one input or output are no pixels; empty where they are."""
    if tensor.dtype not in _ZERO_CODE:
        return [f"{role} is {tensor.dtype}, not uint8 or int8"]
    held = grid_of(tensor)
    if held is None:
        return [f"{role} has no scale and zero point"]
    reasons = []
    ends = ends or ends_of_grid(held).candidates[0]
    grid = PixelGrid.of_grid(held, ends)
    if grid.holds:
        return []
    if abs(grid.scale_error) > 1.0:
        reasons.append(
            f"{role} scale is {tensor.scale:.6g} instead of {ends.width / 255.0:.6g}: code 255 "
            f"stands for {255.0 * 255.0 * grid.scale:.1f} of 255"
        )
    if grid.black_error > 1.0 or not reasons:
        wanted = _ZERO_CODE[tensor.dtype] - round(255.0 * ends.black / ends.width)
        reasons.append(
            f"{role} zero point is {tensor.zero_point} instead of {wanted}: "
            f"black has code {grid.zero_point:.4g}"
        )
    return reasons


def missing_ranges(
    source: str | Path | bytes | FileGraph, ranges: Mapping[str, TensorRange]
) -> list[str]:
    """Names of ranges that no int8 tensor of the file has: what the converter did not take over.

    Compared are scale (relative 1e-5, the file stores float32) and zero point. The names in a file
    are the converter's, so ranges are looked for by value, not by name.
    """
    graph = source if isinstance(source, FileGraph) else read_graph(source)
    held = [(t.scale, t.zero_point) for t in graph.tensors if t.dtype == "int8" and t.scale]
    return [
        name
        for name, value in ranges.items()
        if not any(
            abs(scale / value.scale - 1.0) < 1e-5 and zero == value.zero_point
            for scale, zero in held
        )
    ]
