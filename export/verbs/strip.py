"""The verb `sr-export strip`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from export.running.targets import EVERY
from sr_models.ground.console import print_table, write_json
from sr_models.ground.options import FilePixels, Json, Overwrite

NOBODY = "none"
"""No processor that layers are packed for: they stay as they are."""


def strip(
    file: Annotated[Path, typer.Argument(help="A .tflite file with a clip.")],
    out: Annotated[Path, typer.Option(help="The new .tflite file.")],
    max_difference: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=255,
            help="Codes that an output may change by.",
            show_default="1, int16: 4",
        ),
    ] = None,
    repair_io: Annotated[
        bool, typer.Option("--repair-io", help="Give input and output the scale of pixels, too.")
    ] = False,
    floats: Annotated[
        bool, typer.Option("--float", help="Take clips of real numbers out, too.")
    ] = False,
    io: Annotated[
        str | None,
        typer.Option(help="int8: codes at the ends are int8, the byte xor 0x80.", metavar="int8"),
    ] = None,
    packed_for: Annotated[
        str,
        typer.Option(
            metavar="TARGET",
            help="Whose kernels layers are packed for; none: they stay as they are.",
        ),
    ] = EVERY,
    pixels: FilePixels = None,
    overwrite: Overwrite = False,
    json: Json = None,
):
    """Take the clip out of an integer .tflite file: no training, no pictures, no float network.

    The operator before the clip stores its result on the clip's own grid, where storing saturates;
    then the clip has nothing left to do. The new file is written only if it is proved to stay
    within --max-difference codes and runs side by side with the old one.

    What changes no code goes, too, and convolutions get the form that fills the kernels of the
    processors that run them, where a cost model says that it gains.

    Examples:

      sr-export strip model.tflite --out clip-free.tflite

      sr-export strip model.tflite --out clip-free.tflite --max-difference 0 --json -

      sr-export strip model.tflite --out clip-free.tflite --repair-io

      sr-export strip model.tflite --out clip-free.tflite --io int8 --packed-for arm64-dotprod
    """
    from export.running.targets import packing_targets, target_names
    from sr_models.ground.child import WHOLE_SIZE_MB, Sandbox
    from sr_models.ground.errors import require_known
    from sr_models.ground.files import refuse_existing, require_writable, writing_file
    from sr_models.ground.pixel_range import parse_pixels
    from sr_models.tflite.files import read_model

    given = parse_pixels(pixels) if pixels else None
    if io is not None:
        require_known("a type of codes to change to", io, ("int8",))
    require_known("a target", packed_for, (*target_names(), EVERY, NOBODY))
    targets = () if packed_for == NOBODY else packing_targets(packed_for)
    refuse_existing(out, overwrite=overwrite, replaces=())
    require_writable(out)
    read = read_model(file)
    with Sandbox("export.stripping.proof", memory_mb=WHOLE_SIZE_MB) as sandbox:
        sandbox.start()  # It imports while we do.
        from export.stripping.whole import strip_whole

        made = strip_whole(
            read,
            sandbox=sandbox,
            limit=max_difference,
            floats=floats,
            repair=repair_io,
            pixels=given,
            signed=io is not None,
            targets=targets,
        )
    with writing_file(out) as path:
        path.write_bytes(made.content)
    data = made.to_json()
    write_json(data, json)
    if json != "-":
        print_table(str(out), ["property", "value"], _rows(data))


def _rows(data: dict[str, Any]) -> list[list[str]]:
    mended = data.get("repair_io", {"repaired": [], "not_repaired": []})
    rows = _stripped_rows(data) if data["removed_ops"] else []
    if "pixels" in mended:
        rows.append(["pixels", mended["pixels"]["in_words"]])
    rows += [
        [f"{one['role']} repaired", f"{one['name']}: {_change(one)}"] for one in mended["repaired"]
    ]
    if mended["repaired"]:
        rows.append(
            [
                "measured",
                f"same real values: {mended['max_abs_code_difference']:g} code(s) at "
                f"most, {mended['mean_abs_code_difference']:.2g} on average",
            ]
        )
    rows += [
        ["stays", reason]
        for reason in (
            *data.get("not_removed", ()),
            *mended["not_repaired"],
            *data["further"]["not_changed"],
        )
    ]
    rows += [["further", _told(change)] for change in data["further"]["changes"]]
    if paths := data["further"]["same_codes_on"]:
        rows.append(["measured", f"every code the same, on {' and '.join(paths)} kernels"])
    return [*rows, ["sha256", data["sha256"]]]


def _told(change: dict[str, Any]) -> str:
    return f"{', '.join(change['operators'])} {change['what']}".strip()


def _stripped_rows(data: dict[str, Any]) -> list[list[str]]:
    removed = ", ".join(
        f"{op['op']} at {op['height']}x{op['width']}x{op['channels']}" for op in data["removed_ops"]
    )
    proofs = {
        "no_op": "no_op: the clip could not change a code, so the file is bit-exact",
        "unbounded": "unbounded: the same values once whoever reads them saturates them",
        "retargeted": f"retargeted: producers store on the clip's grid; {data['bound']} code(s) at "
        "most",
    }
    return [
        ["removed", removed],
        ["proof", proofs[data["proof"]]],
        *[["new grid", f"{t['name']}: {_change(t)}"] for t in data["retargeted_tensors"]],
        [
            "measured",
            f"{data['max_abs_code_difference']:g} code(s) at most, "
            f"{data['differing_fraction']:.1%} of codes differ ({data['samples']} probes, "
            f"{data['height']}x{data['width']}, builtin kernels)",
        ],
        [
            "left to the interpreter by XNNPACK",
            f"{data['left_behind'][0]} -> "
            f"{data['left_behind'][1]} operators; partitions {data['xnnpack_partitions'][0]} -> "
            f"{data['xnnpack_partitions'][1]}",
        ],
    ]


def _change(change: dict[str, Any]) -> str:
    before, after = change["before"], change["after"]
    return (
        f"scale {before['scale']:.6g}, zero point {before['zero_point']} -> "
        f"{after['scale']:.6g}, {after['zero_point']}"
    )
