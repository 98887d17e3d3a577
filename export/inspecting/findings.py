"""What is wrong with a `.tflite` file, in plain words: what it is, its impact and its fix."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import PurePath
from typing import Any

from export.inspecting.audit import Audit
from export.inspecting.contract_findings import broken_contract, coarse_grid
from export.inspecting.finding import Finding
from export.inspecting.plan import NO_OP, StripPlan
from export.running.pixel_range import find_pixels
from export.tflite.operators import BASELINE, name_of, runtime_needed
from sr_models.ground.pixel_range import PixelRange
from sr_models.tflite.unpacked import UnpackedModel

_EDGES = ("QUANTIZE", "DEQUANTIZE")


def find(
    model: UnpackedModel,
    audit: Audit,
    *,
    plan: StripPlan,
    pixels: PixelRange | None = None,
    repairable: Collection[str] | None = None,
) -> list[Finding]:
    """Everything that can be told from the file alone, without running it.

    Args:
        model: The file.
        audit: What it holds.
        plan: How its clips can go.
        pixels: What black and white are for it; by its tables alone without it.
        repairable: `input`, `output` or both, where `strip --repair-io` makes codes pixels; advice
            is given with a condition where it is not known.
    """
    pixels = pixels or find_pixels(model.file, run=False).range
    low, high = pixels.input_ends, pixels.output_ends
    return [
        *_clip(audit, plan),
        *(
            found
            for tensor in audit.inputs
            for found in broken_contract("input", tensor, low, repairable)
        ),
        *(
            found
            for tensor in audit.outputs
            for found in broken_contract("output", tensor, high, repairable)
        ),
        *_count(audit),
        *(found for tensor in audit.outputs for found in coarse_grid(tensor, high)),
        *_float(model, audit),
        *_name(model.file.name, audit),
        *_version(model),
        *_dynamic(model),
    ]


def find_in_run(outcome: dict[str, Any], *, strippable: bool = True) -> list[Finding]:
    """What the interpreter says about a file: see `inspection.prepare`.

    Args:
        outcome: What it says.
        strippable: Whether the file has a clip that can be taken out.
    """
    if "crash" in outcome:
        return [
            Finding(
                "crash",
                f"when it prepares the file, {outcome['crash']}",
                "an app that opens the file dies with it",
                "do not ship the file; export it again",
            )
        ]
    if "error" in outcome:
        why, runs = outcome["error"].split(", found: ", 1)[-1], outcome.get("runs")
        kernels = " and ".join(runs or ())
        return [
            Finding(
                "refused",
                f"XNNPACK: {why}" if runs else why,
                f"XNNPACK, which apps use by default, does not run the file; the {kernels} kernels "
                "of this runtime do"
                if runs
                else "no kernels of this runtime run the file",
                "export it again, or turn XNNPACK off where it is run"
                if runs
                else "export it again, or use another runtime",
            )
        ]
    delegation = outcome["delegation"]
    if delegation is None:
        return []
    inside = [name for name in delegation["left_behind"] if name not in _EDGES]
    if delegation["partitions"] <= 1 and not inside:
        return []
    return [
        Finding(
            "partitions",
            f"XNNPACK takes {delegation['delegated_nodes']} of {delegation['total_nodes']} "
            f"operators in {delegation['partitions']} part(s) and leaves "
            f"{', '.join(dict.fromkeys(delegation['left_behind'])) or 'none'}",
            "what it leaves runs on one thread, and the picture is handed back and forth",
            "take clips out with sr-export strip; for others see which operators XNNPACK supports"
            if strippable
            else "see which operators XNNPACK supports, and export the network without the others",
        )
    ]


def _clip(audit: Audit, plan: StripPlan) -> Iterator[Finding]:
    if not audit.clip_ops:
        return
    clips = audit.clip_ops
    names = " and ".join(dict.fromkeys(op["op"] for op in clips))
    size = f"{clips[0]['height']}x{clips[0]['width']}x{clips[0]['channels']}"
    what = f"{names} at {size}: {len(clips)} pass(es) over the picture at its full size"
    if plan.obstacles:
        fix = f"export it without a clip; it cannot be taken out here: {plan.obstacles[0]}"
    elif plan.sites:
        proof = "bit-exact" if plan.proof == NO_OP else f"{plan.bound} code at most changes"
        fix = f"sr-export strip takes it out ({proof})"
    elif not audit.full_integer:
        yield Finding(
            "clip",
            what,
            "little: XNNPACK fuses a clip of real numbers into the operator before",
            "leave it, or export a full-integer file without a clip",
        )
        return
    else:
        fix = f"leave it: {'; '.join(plan.left) or 'it is part of the network'}"
    yield Finding(
        "clip",
        what,
        "XNNPACK leaves it to the interpreter, where it runs on one thread: 10 to 40 % of the "
        "latency at two threads",
        fix,
    )


def _count(audit: Audit) -> Iterator[Finding]:
    for role, tensors in (("input", audit.inputs), ("output", audit.outputs)):
        if len(tensors) != 1:
            yield Finding(
                "contract",
                f"{len(tensors)} {role}s",
                "no tool can tell which one is the picture",
                f"export the network with one {role}",
            )


def _float(model: UnpackedModel, audit: Audit) -> Iterator[Finding]:
    if audit.full_integer:
        return
    graph = model.graph

    def floats(op) -> bool:
        return any(graph.tensors[i].dtype.startswith("float") for i in op.outputs)

    tail = [name_of(op) for op in graph.operators if floats(op)]
    integers = [op for op in graph.operators if not floats(op)]
    yield Finding(
        "float",
        f"{audit.float_tensors} tensor(s) of real numbers",
        "integer accelerators refuse or split the file",
        "export it in full integer",
    )
    if integers and tail:
        shown = ", ".join(tail[:3]) + (" ..." if len(tail) > 3 else "")
        yield Finding(
            "mixed",
            f"{len(integers)} operator(s) of integers beside {shown} on real numbers",
            "every change between the two is a pass over a picture",
            "export it with a full-integer converter setting and 8-bit inputs and outputs",
        )


def _name(name: str, audit: Audit) -> Iterator[Finding]:
    words = set(re.split(r"[^a-z0-9]+", PurePath(name).stem.lower()))
    claims = []
    integer = {w for w in words if re.fullmatch(r"q?u?int8|f?q?int8|quant(ized)?|qat|ptq|w8a8", w)}
    if integer and not audit.full_integer:
        claims.append(f"{min(integer)}, but {audit.float_tensors} tensors hold real numbers")
    real = words & {"fp32", "float32", "float", "fp16", "float16"}
    if real and audit.full_integer:
        claims.append(f"{min(real)}, but everything in it is an integer")
    shapes = [tensors[0].shape for tensors in (audit.inputs, audit.outputs) if len(tensors) == 1]
    factors = {int(w[1:]) for w in words if re.fullmatch(r"x[234]", w)}
    factors |= {int(w[:1]) for w in words if re.fullmatch(r"[234]x", w)}
    if len(factors) == 1 and len(shapes) == 2 and all(len(s) == 4 and s[1] > 1 for s in shapes):
        (factor,), held = factors, shapes[1][1] / shapes[0][1]
        if factor != held:
            claims.append(f"x{factor}, but the output is {held:g} times as high as the input")
    for claim in claims:
        yield Finding(
            "name",
            f"the name says {claim}",
            "whoever chooses by name gets another file",
            "rename it, or export what the name says",
        )


def _version(model: UnpackedModel) -> Iterator[Finding]:
    needs = {name_of(op): runtime_needed(op.name, op.version) for op in model.graph.operators}
    newest = max(needs.values(), default=BASELINE)
    if newest > BASELINE:
        which = [name for name, release in needs.items() if release == newest]
        yield Finding(
            "version",
            f"{which[0]} asks for TFLite {newest[0]}.{newest[1]}",
            "phones with an older runtime refuse the file",
            "ship a runtime of that age with the app, or convert with an older converter",
        )


def _dynamic(model: UnpackedModel) -> Iterator[Finding]:
    open_ones = dynamic_dimensions(model)
    if open_ones:
        yield Finding(
            "dynamic",
            ", ".join(f"{t['name']} {t['shape_signature']}" for t in open_ones[:2]),
            "accelerators want fixed sizes, and memory is planned again for every size",
            "export a file for each size that is used",
        )


def dynamic_dimensions(model: UnpackedModel) -> list[dict[str, Any]]:
    """Inputs and outputs with open dimensions: name and shape signature (-1 where open)."""
    tables = model.tables.subgraphs[0].tensors
    found = []
    for tensor in (*model.graph.inputs, *model.graph.outputs):
        signature = tables[tensor].shapeSignature
        if signature is not None and any(int(size) < 0 for size in signature):
            name = model.graph.tensors[tensor].name
            found.append({"name": name, "shape_signature": [int(size) for size in signature]})
    return found
