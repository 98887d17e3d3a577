"""What else a finished file can be spared, without a code changed.

After the clip: codes at the ends that are int8, so that no QUANTIZE stands there; operators that
change nothing; convolutions in a form that fills the kernels. Each is exact for any weights and any
picture, and the file is run beside the old one all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from export.inspecting.work import work_of
from export.running.targets import Target
from export.stripping.layer_forms import Form, find_forms
from export.stripping.proof import compare_outputs
from export.stripping.signed_ends import set_signed, signed_grids
from export.tflite.editing import merge_tensors, prune, used
from export.tflite.equal_tensors import equal_tensors
from export.tflite.operators import name_of
from export.tflite.packing import repack, require_repackable
from export.tflite.steps import Obstacle
from sr_models.ground.child import Crash, Sandbox
from sr_models.ground.errors import ModelFileError
from sr_models.tflite.files import ModelFile, read_model
from sr_models.tflite.flatbuffer import graph_of
from sr_models.tflite.unpacked import UnpackedModel, unpack

PATHS = {"xnnpack": None, "builtin": 6}
"""Kernels that both files are run on, side by side, and how many probes; all of them for `None`.

The interpreter's own kernels take many times as long."""
_MOST_ROUNDS, _MOST_FORMS = 16, 64
"""No network has more layers to write otherwise; a file made to keep us busy may."""


@dataclass(frozen=True)
class Change:
    """One thing that was done.

    Attributes:
        operators: Operators of the file at that time: those that went, or got another form.
        what: What was done, in words.
    """

    operators: tuple[str, ...]
    what: str

    def to_json(self) -> dict[str, Any]:
        """The attributes."""
        return {"operators": list(self.operators), "what": self.what}


@dataclass(frozen=True)
class Further:
    """A file that does the same with less.

    Attributes:
        content: The new file; the old one where nothing was found.
        changes: What was done, in order.
        paths: Kernels that both files were run on, with equal codes; none without a change.
        sha256: SHA-256 of the new file.
        left: What was tried and is not in it, and why.
    """

    content: bytes = field(repr=False)
    changes: tuple[Change, ...]
    paths: tuple[str, ...]
    sha256: str
    left: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything but the content."""
        return {
            "changes": [change.to_json() for change in self.changes],
            "same_codes_on": list(self.paths),
            "not_changed": list(self.left),
            "sha256": self.sha256,
        }


def go_further(
    file: ModelFile,
    *,
    sandbox: Sandbox,
    signed: bool = False,
    targets: Sequence[Target] = (),
    probes: int | None = None,
) -> Further:
    """Take out of a file what changes no code, and give its convolutions the form that costs least.

    Args:
        file: The file.
        sandbox: A child process to run the old and the new file in.
        signed: Make uint8 codes of inputs and outputs int8: 128 less each.
        targets: Whom convolutions are packed for, of which none may lose; nobody by default.
        probes: Run so many of the probes only.

    Raises:
        ModelFileError: The file is damaged, or an end cannot be int8.
    """
    model = unpack(file)
    require_repackable(model)
    reasons: list[str] = []
    # What fails beside the old file is left out: the last first, since the rest may hold alone.
    for idle, packed in dict.fromkeys(((True, bool(targets)), (True, False), (False, False))):
        changes: list[Change] = []
        made = _signed(model, changes) if signed else model
        made = _without_idle(made, changes) if idle or signed else made
        made = _packed(made, targets, changes) if packed else made
        if not changes:
            return Further(file.data, (), (), file.sha256, tuple(reasons))
        reason = _difference(file, made.file.data, sandbox=sandbox, probes=probes)
        if reason is None:
            return Further(
                made.file.data, tuple(changes), tuple(PATHS), made.file.sha256, tuple(reasons)
            )
        reasons.append(f"{changes[-1].what}: {reason}")
    raise ModelFileError(
        f"expected int8 codes that are the old ones less 128, found {file.name}, where {reason}; "
        "leave --io out"
    )


def _with_tables(model: UnpackedModel, tables: schema.ModelT) -> UnpackedModel:
    content = repack(model, tables)
    return unpack(read_model(content, name=model.file.name))


def _signed(model: UnpackedModel, changes: list[Change]) -> UnpackedModel:
    try:
        grids = signed_grids(model)
    except Obstacle as obstacle:
        raise ModelFileError(
            f"expected codes that can be int8, found {model.file.name}, where {obstacle}; leave "
            "--io out"
        ) from None
    if not grids:
        return model
    tables = unpack(model.file).tables
    set_signed(tables, grids)
    names = (model.graph.tensors[i].name for i in (*model.graph.inputs, *model.graph.outputs))
    changes.append(Change((), f"codes of {', '.join(names)} are int8, 128 less than uint8"))
    return _with_tables(model, tables)


def _without_idle(model: UnpackedModel, changes: list[Change]) -> UnpackedModel:
    equal = equal_tensors(model)
    if not equal:
        return model
    tables = unpack(model.file).tables
    merge_tensors(tables, equal)
    names = tuple(name_of(model.producers[copy]) for copy in equal)
    changes.append(Change(names, "changed no code and went"))
    return _with_tables(model, tables)


def _packed(
    model: UnpackedModel, targets: Sequence[Target], changes: list[Change]
) -> UnpackedModel:
    for _ in range(_MOST_ROUNDS):
        now = _costs(model, targets)
        best: tuple[float, Form, schema.ModelT] | None = None
        for form in islice(find_forms(model), _MOST_FORMS):
            tables = _in_form(model, form)
            saved = _gain(now, _costs_of(tables, model.file, targets))
            if saved > 0.0 and saved >= form.least_gain and (best is None or saved > best[0]):
                best = saved, form, tables
        if best is None:
            return model
        saved, form, tables = best
        changes.append(Change(form.operators, f"{form.what} ({saved:.0%} of the cost)"))
        model = _with_tables(model, tables)
    return model


def _in_form(model: UnpackedModel, form: Form) -> schema.ModelT:
    tables = unpack(model.file).tables
    before = used(tables)
    form.apply(tables)
    prune(tables, before)
    return tables


def _costs(model: UnpackedModel, targets: Sequence[Target]) -> list[float]:
    return _costs_of(model.tables, model.file, targets)


def _costs_of(tables: schema.ModelT, file: ModelFile, targets: Sequence[Target]) -> list[float]:
    graph = graph_of(tables, file)
    return [sum(op.cost or 0.0 for op in work_of(graph, t).operators) for t in targets]


def _gain(now: Sequence[float], then: Sequence[float]) -> float:
    """The share that the target saves that gains most; below 0 where another loses."""
    saved = [1.0 - new / old if old else 0.0 for old, new in zip(now, then)]
    return min(saved) if min(saved) < 0.0 else max(saved)


def _difference(
    file: ModelFile, content: bytes, *, sandbox: Sandbox, probes: int | None
) -> str | None:
    """What the new file does otherwise than the old one, in words."""
    outputs = len(unpack(file).graph.outputs)
    for path, most in PATHS.items():
        options: dict[str, Any] = {"steps": [1.0] * outputs, "probes": probes or most}
        options["delegate"] = path
        try:
            found = sandbox.call(compare_outputs, file.data, content, **options)
        except (Crash, ModelFileError) as error:
            return f"it could not be run beside the new file: {error}"
        if worst := found["max_abs_code_difference"]:
            return f"codes differ by {worst:g} on {path} kernels"
        if found["left_behind"][1] > found["left_behind"][0]:
            return "XNNPACK would leave more operators behind than now"
    return None
