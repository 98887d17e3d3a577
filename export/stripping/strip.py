"""Take the clip out of an integer `.tflite` file, and prove that nothing else has changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from export.inspecting.audit import describe_operator
from export.inspecting.clips import is_clip
from export.inspecting.float_clips import float_clips, with_float_clips
from export.inspecting.plan import StripPlan, plan_strip
from export.stripping.proof import Agreement, compare_outputs
from export.tflite.editing import drop_operators, set_activations, set_grids
from export.tflite.operators import name_of
from export.tflite.packing import repack, require_repackable
from export.tflite.steps import Obstacle
from sr_models.ground.child import Crash, Sandbox
from sr_models.ground.errors import ModelFileError
from sr_models.tflite.files import ModelFile, read_model
from sr_models.tflite.flatbuffer import TensorInfo
from sr_models.tflite.unpacked import UnpackedModel, unpack


class NoClipError(ModelFileError):
    """A file that has no clip of integers: there is nothing to take out."""


@dataclass(frozen=True)
class StripResult:
    """A file without its clip, and why that is the same file.

    Attributes:
        content: The new file.
        removed_ops: Operators that went: op, index, height, width, channels.
        retargeted_tensors: Tensors with another grid: name, before, after.
        proof: `no_op` where the clips could not change a code, `retargeted` where producers now
            saturate on the clip's own grid.
        bound: Codes that an output can differ by, whatever the picture.
        agreement: What the two files did side by side; `None` where that was left out.
        plan: How each clip went.
        sha256_before: SHA-256 of the old file.
        sha256: SHA-256 of the new file.
    """

    content: bytes = field(repr=False)
    removed_ops: tuple[dict[str, Any], ...]
    retargeted_tensors: tuple[dict[str, Any], ...]
    proof: str
    bound: int
    agreement: Agreement | None
    plan: StripPlan
    sha256_before: str
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Everything but the content."""
        measured = self.agreement.to_json() if self.agreement else {}
        return {
            "removed_ops": list(self.removed_ops),
            "retargeted_tensors": list(self.retargeted_tensors),
            "proof": self.proof,
            "bound": self.bound,
            **measured,
            "sites": [site.to_json() for site in self.plan.sites],
            "not_removed": list(self.plan.left),
            "sha256_before": self.sha256_before,
            "sha256": self.sha256,
        }


def strip_model(
    source: str | Path | bytes | ModelFile,
    *,
    limit: int | None = None,
    sandbox: Sandbox | None = None,
    probes: int | None = None,
    floats: bool = False,
) -> StripResult:
    """Take every clip of the picture out of an integer file.

    Args:
        source: Path, content, or a file read before.
        limit: Codes that an output may change by; see `LIMITS_BY_DTYPE`.
        sandbox: A child process to run both files in; one is started by default.
        probes: Run so many of the probes only.
        floats: Take clips of real numbers out as well; outputs then leave black and white.

    Raises:
        NoClipError: The file has no clip of integers.
        ModelFileError: The file is damaged, has a clip that cannot go, or the new file failed a
            check. The message names the operator that stands in the way.
    """
    file = source if isinstance(source, ModelFile) else read_model(source)
    model = unpack(file)
    require_repackable(model)
    plan = plan_strip(model, limit=limit)
    saturate = None
    if floats:
        plan, saturate = _with_floats(model, plan)
    _require_plan(model, plan)
    content = operate(model, plan)
    _require_same_interface(model, unpack(ModelFile(file.name, content, "")))
    if sandbox is None:
        with Sandbox() as own:
            agreement = _side_by_side(
                model, content, bound=plan.bound, sandbox=own, probes=probes, saturate=saturate
            )
    else:
        agreement = _side_by_side(
            model, content, bound=plan.bound, sandbox=sandbox, probes=probes, saturate=saturate
        )
    return _result(model, plan, content=content, agreement=agreement)


def _with_floats(model: UnpackedModel, plan: StripPlan) -> tuple[StripPlan, list]:
    try:
        clips = float_clips(model)
    except Obstacle as obstacle:
        raise _cannot(model, str(obstacle)) from None
    ends = {clip.output: (clip.low, clip.high) for clip in clips}
    return with_float_clips(plan, clips), [ends.get(tensor) for tensor in model.graph.outputs]


def operate(model: UnpackedModel, plan: StripPlan) -> bytes:
    """Carry a plan out on the tables of a file; the new file's content.

    Raises:
        ModelFileError: An operator cannot go after all, or the tables cannot be packed.
    """
    tables = unpack(model.file).tables
    for site in plan.sites:
        if site.grid is not None:
            kinds = {t: model.graph.tensors[t].dtype for t in site.retargeted}
            set_grids(tables, {t: site.grid.as_dtype(kind) for t, kind in kinds.items()})
        set_activations(tables, dict(site.activations))
    links = {link.op.index: link for site in plan.sites for link in site.dropped}
    try:
        drop_operators(tables, [links[index] for index in sorted(links)])
    except Obstacle as obstacle:
        raise _cannot(model, str(obstacle)) from None
    return repack(model, tables)


def _require_plan(model: UnpackedModel, plan: StripPlan) -> None:
    if plan.obstacles:
        raise _cannot(model, "; ".join(plan.obstacles))
    if plan.sites:
        return
    clips = [op for op in model.graph.operators if is_clip(model, op)]
    real = [op for op in clips if model.graph.tensors[op.outputs[0]].dtype.startswith("float")]
    if real:
        raise NoClipError(
            f"expected a clip of integers, found {name_of(real[-1])} of real numbers in "
            f"{model.file.name}, which XNNPACK fuses into the operator before it; leave the file "
            "as it is, or give --float"
        )
    why = f" that could go ({plan.left[0]})" if plan.left else ""
    raise NoClipError(
        f"expected a file with a clip, found none{why} in {model.file.name}; use the file as it is"
    )


def _require_same_interface(before: UnpackedModel, after: UnpackedModel) -> None:
    def interface(model: UnpackedModel) -> tuple[list[TensorInfo], Any]:
        graph = model.graph
        return [graph.tensors[i] for i in (*graph.inputs, *graph.outputs)], {
            entry.signatureKey: (_names(model, entry.inputs), _names(model, entry.outputs))
            for entry in model.tables.signatureDefs or ()
            if entry.subgraphIndex == 0
        }

    if interface(before) != interface(after):
        raise _cannot(before, "inputs, outputs or signatures would change")


def _names(model: UnpackedModel, entries: list[schema.TensorMapT] | None) -> list:
    tensors = model.graph.tensors
    return [(entry.name, tensors[entry.tensorIndex].name) for entry in entries or ()]


def _side_by_side(
    model: UnpackedModel,
    content: bytes,
    *,
    bound: int,
    sandbox: Sandbox,
    probes: int | None,
    saturate: list | None,
) -> Agreement:
    options = {"steps": _steps(model), "probes": probes, "saturate": saturate}
    try:
        data = sandbox.call(compare_outputs, model.file.data, content, **options)
    except Crash as crash:
        raise _cannot(model, f"it could not be run beside the new file: {crash}") from None
    except ModelFileError as error:
        raise _cannot(model, f"it could not be run beside the new file: {error}") from None
    for pair in ("left_behind", "xnnpack_partitions"):
        data[pair] = tuple(data[pair])
    agreement = Agreement(**data)
    if agreement.max_abs_code_difference > bound:
        raise _cannot(
            model,
            f"codes differ by {agreement.max_abs_code_difference:g} on probes, where "
            f"{bound} was proved",
        )
    if not agreement.same_signatures:
        raise _cannot(model, "the interpreter sees other signatures")
    if agreement.left_behind[1] > agreement.left_behind[0]:
        raise _cannot(model, "XNNPACK would leave more operators behind than now")
    return agreement


def _steps(model: UnpackedModel) -> list[float]:
    """For each output what counts as one code; outputs of real numbers have their codes before."""
    steps = []
    for tensor in model.graph.outputs:
        op = model.producers.get(tensor)
        grid = model.grid(op.inputs[0]) if op and op.name == "DEQUANTIZE" else None
        steps.append(grid.scale if grid else 1.0)
    return steps


def _result(
    model: UnpackedModel, plan: StripPlan, *, content: bytes, agreement: Agreement | None
) -> StripResult:
    links = {link.op.index: link for site in plan.sites for link in site.dropped}
    after = unpack(content)
    retargeted = [
        {
            "name": model.graph.tensors[tensor].name,
            "before": model.grid(tensor).to_json(),
            "after": site.grid.as_dtype(model.grid(tensor).dtype).to_json(),
        }
        for site in plan.sites
        for tensor in site.retargeted
        if tensor not in {link.target for link in site.dropped}
    ]
    return StripResult(
        content=content,
        removed_ops=tuple(describe_operator(model.graph, links[i].op) for i in sorted(links)),
        retargeted_tensors=tuple(retargeted),
        proof=plan.proof,
        bound=plan.bound,
        agreement=agreement,
        plan=plan,
        sha256_before=model.file.sha256,
        sha256=after.file.sha256,
    )


def _cannot(model: UnpackedModel, why: str) -> ModelFileError:
    return ModelFileError(
        f"expected a clip that can be taken out, found {model.file.name}, where {why}; use the "
        "file as it is, or export it again"
    )
