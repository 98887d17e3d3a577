"""The verb `sr-export strip`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from export.command_options import JsonOption
from sr_models.command import print_table, write_json


def strip(
    file: Annotated[Path, typer.Argument(help="A .tflite file with a clip.")],
    out: Annotated[Path, typer.Option(help="The new .tflite file.")],
    max_difference: Annotated[
        int | None,
        typer.Option(
            min=0, max=255, help="Codes that an output may change by. [default: 1; int16: 4]"
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    json: JsonOption = None,
):
    """Take the clip out of an integer .tflite file: no training, no pictures, no float network.

    The operator before the clip stores its result on the clip's own grid, where storing saturates;
    then the clip has nothing left to do. The new file is written only if it is proved to stay
    within --max-difference codes and runs side by side with the old one.

    Examples:

      sr-export strip model.tflite --out clip-free.tflite

      sr-export strip model.tflite --out clip-free.tflite --max-difference 0 --json -
    """
    from export.strip import strip_model
    from sr_models.atomic import refuse_existing, require_writable, writing_file

    refuse_existing(out, overwrite=overwrite, replaces=())
    require_writable(out)
    result = strip_model(file, limit=max_difference)
    with writing_file(out) as path:
        path.write_bytes(result.content)
    write_json(result.to_json(), json)
    if json != "-":
        print_table(str(out), ["property", "value"], _rows(result))


def _rows(result) -> list[list[str]]:
    from export.strip_plan import NO_OP

    agreement = result.agreement
    removed = ", ".join(
        f"{op['op']} at {op['height']}x{op['width']}x{op['channels']}" for op in result.removed_ops
    )
    proofs = {
        NO_OP: "no_op: the clip could not change a code, so the file is bit-exact",
        "retargeted": f"retargeted: producers store on the clip's grid; {result.bound} code(s) at "
        "most",
    }
    return [
        ["removed", removed],
        ["proof", proofs[result.proof]],
        *[
            ["new grid", f"{t['name']}: scale {t['before']['scale']:.6g}, zero point "
             f"{t['before']['zero_point']} -> {t['after']['scale']:.6g}, "
             f"{t['after']['zero_point']}"]
            for t in result.retargeted_tensors
        ],
        ["measured", f"{agreement.max_abs_code_difference:g} code(s) at most, "
         f"{agreement.differing_fraction:.1%} of codes differ ({agreement.samples} probes, "
         f"{agreement.height}x{agreement.width}, builtin kernels)"],
        ["left to the interpreter by XNNPACK", f"{agreement.left_behind[0]} -> "
         f"{agreement.left_behind[1]} operators; partitions {agreement.partitions[0]} -> "
         f"{agreement.partitions[1]}"],
        *[["stays", reason] for reason in result.plan.left],
        ["sha256", result.sha256],
    ]  # fmt: skip
