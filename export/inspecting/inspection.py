"""Everything that can be said about a `.tflite` file: its graph at a glance, and its findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.inspecting.audit import Audit, audit_graph
from export.inspecting.clips import is_clip
from export.inspecting.findings import Finding, dynamic_dimensions, find, find_in_run
from export.inspecting.plan import plan_strip
from export.inspecting.vendors import Vendor, VendorReport, judge_graph
from export.inspecting.work import TargetWork, work_of
from export.running.interpreters import prepare_model
from export.running.pixel_range import (
    FilePixels,
    find_pixels,
    pixels_of_content,
    pixels_of_data,
    told_pixels,
)
from export.running.targets import Target
from export.tflite.operators import BASELINE, MOVES, runtime_needed
from sr_models.ground.child import Crash, Sandbox
from sr_models.ground.errors import ModelFileError
from sr_models.ground.pixel_range import PixelRange
from sr_models.importing.readiness import Readiness, readiness_of
from sr_models.quantization.grids import LIMITS
from sr_models.tflite.files import ModelFile, read_model
from sr_models.tflite.unpacked import UnpackedModel, unpack


@dataclass(frozen=True)
class Inspection:
    """A file at a glance, and what is wrong with it.

    Attributes:
        model: Name of the file.
        audit: What it holds.
        pixels: What black and white are for it, and how that was found.
        operators: Rows of op, height, width, channels, count.
        dtypes: Element type -> tensors that are not constants.
        fused_clips: Operators whose fused activation bounds both ways, and the last computing
            operators with any: op, index, activation.
        dynamic_dimensions: Inputs and outputs with open dimensions.
        minimum_runtime: First TFLite release that runs it, at least 2.5.
        run: What the interpreter says: `runtime` and `delegation`, or `error` (with the kernels
            that it `runs` on, where XNNPACK alone refuses it), or `crash`; `None` where it was
            not asked.
        findings: What is wrong.
        work: What its operators cost a target; `None` where that was not asked.
        vendor: Which operators a vendor's compiler takes; `None` where that was not asked.
        readiness: What `sr-export model` would make of a float file; `None` for others.
    """

    model: str
    audit: Audit
    pixels: FilePixels
    operators: tuple[dict[str, Any], ...]
    dtypes: dict[str, int]
    fused_clips: tuple[dict[str, Any], ...]
    dynamic_dimensions: tuple[dict[str, Any], ...]
    minimum_runtime: str
    run: dict[str, Any] | None
    findings: tuple[Finding, ...]
    work: TargetWork | None = None
    readiness: Readiness | None = None
    vendor: VendorReport | None = None

    def to_json(self) -> dict[str, Any]:
        """The audit's keys, and the rest."""
        run = self.run or {}
        return {
            "model": self.model,
            **self.audit.to_json(),
            "pixels": self.pixels.to_json(),
            "operators": list(self.operators),
            "dtypes": self.dtypes,
            "fused_clips": list(self.fused_clips),
            "dynamic_dimensions": list(self.dynamic_dimensions),
            "minimum_runtime": self.minimum_runtime,
            "runtime": run.get("runtime"),
            "delegation": run.get("delegation"),
            "runs_on": run.get("runs"),
            "findings": [finding.to_json() for finding in self.findings],
            "work": self.work and self.work.to_json(),
            "vendor": self.vendor and self.vendor.to_json(),
            "as_source": self.readiness and self.readiness.to_json(),
        }


def inspect_model(
    source: str | Path | bytes | ModelFile,
    *,
    sandbox: Sandbox | None = None,
    pixels: PixelRange | None = None,
    repairs: Callable[[UnpackedModel, PixelRange], Collection[str]] | None = None,
    target: Target | None = None,
    vendor: Vendor | None = None,
    as_source: bool = False,
) -> Inspection:
    """Read a file and say what it holds and what is wrong with it.

    Args:
        source: Path, content, or a file read before.
        sandbox: Child process in which XNNPACK is asked what it takes; not asked without one.
        pixels: What black and white are for the file; found by default, with the child's help.
        repairs: Tells which of `input` and `output` can be repaired, for the advice.
        target: Whose kernels the operators' work is given for; not at all without one.
        vendor: Whose compiler's table the operators are looked up in.
        as_source: Whether a float file is read as an export would; `source` is a path then.

    Raises:
        ModelFileError: The file is missing, damaged or none.
    """
    file = source if isinstance(source, ModelFile) else read_model(source)
    model = unpack(file)
    found = pixels_in_child(file, sandbox, given=pixels)
    audit = audit_graph(model.graph, pixels=found.range)
    run = None if sandbox is None else prepare(file, sandbox)
    plan = plan_strip(model)
    repairable = None if repairs is None else repairs(model, found.range)
    findings = find(model, audit, plan=plan, pixels=found.range, repairable=repairable)
    if run is not None:
        findings += find_in_run(run, strippable=bool(plan.sites) and not plan.obstacles)
    needs = [runtime_needed(op.name, op.version) for op in model.graph.operators]
    return Inspection(
        model=file.name,
        audit=audit,
        pixels=found,
        operators=tuple(_operators(model)),
        dtypes=_dtypes(model),
        fused_clips=tuple(_fused_clips(model)),
        dynamic_dimensions=tuple(dynamic_dimensions(model)),
        minimum_runtime="{}.{}".format(*max(needs, default=BASELINE)),
        run=run,
        findings=tuple(findings),
        work=None if target is None else work_of(model.graph, target),
        vendor=None if vendor is None else judge_graph(model.graph, vendor),
        readiness=readiness_of(file.name) if as_source and _is_float(model) else None,
    )


def _is_float(model: UnpackedModel) -> bool:
    graph = model.graph
    computed = {i for op in graph.operators for i in (*op.inputs, *op.outputs) if i >= 0}
    kinds = {graph.tensors[i].dtype for i in computed if not graph.tensors[i].constant}
    return "float32" in kinds and not kinds & LIMITS.keys()


def pixels_in_child(
    file: ModelFile, sandbox: Sandbox | None, *, given: PixelRange | None = None
) -> FilePixels:
    """What black and white are for an untrusted file, which is run in a child alone."""
    if sandbox is None or told_pixels(file, given=given):
        return find_pixels(file, given=given, run=False)
    try:
        return pixels_of_data(sandbox.call(pixels_of_content, file.data))
    except (Crash, ModelFileError):
        return find_pixels(file, run=False)


def prepare(file: ModelFile, sandbox: Sandbox) -> dict[str, Any]:
    """What the interpreter says when it prepares a file: see `Inspection.run`."""
    try:
        return sandbox.call(prepare_model, file.data)
    except Crash as crash:
        return {"crash": str(crash)}
    except ModelFileError as error:
        return {"error": str(error)}


def _operators(model: UnpackedModel) -> list[dict[str, Any]]:
    counted: Counter = Counter()
    for op in model.graph.operators:
        shape = model.graph.tensors[op.outputs[0]].shape if op.outputs else ()
        counted[(op.name, *(shape[1:] if len(shape) == 4 else (None, None, None)))] += 1
    keys = ("op", "height", "width", "channels", "count")
    return [dict(zip(keys, (*place, count))) for place, count in counted.items()]


def _fused_clips(model: UnpackedModel) -> list[dict[str, Any]]:
    last, waiting, seen = set(), list(model.graph.outputs), set()
    while waiting:
        tensor = waiting.pop()
        op = model.producers.get(tensor)
        if op is None or tensor in seen:
            continue
        seen.add(tensor)
        if op.name in (*MOVES, "QUANTIZE", "DEQUANTIZE") or is_clip(model, op):
            waiting += op.inputs
        else:
            last.add(op.index)
    return [
        {"op": op.name, "index": op.index, "activation": op.activation}
        for op in model.graph.operators
        if op.activation not in ("NONE", "RELU") or (op.index in last and op.activation != "NONE")
    ]


def _dtypes(model: UnpackedModel) -> dict[str, int]:
    graph = model.graph
    used = {i for op in graph.operators for i in (*op.inputs, *op.outputs) if i >= 0}
    used |= {*graph.inputs, *graph.outputs}
    kinds = Counter(graph.tensors[i].dtype for i in used if not graph.tensors[i].constant)
    return dict(sorted(kinds.items()))
