"""The verb `sr-export strip`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sr_models.ground.console import print_table, write_json
from sr_models.ground.options import FilePixels, Json, Overwrite

# What JSON says where only scales were repaired.
_NOTHING_STRIPPED = {
    "removed_ops": [],
    "retargeted_tensors": [],
    "proof": "no_op",
    "bound": 0,
    "max_abs_code_difference": 0,
    "differing_fraction": 0.0,
    "samples": 0,
}


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
    pixels: FilePixels = None,
    overwrite: Overwrite = False,
    json: Json = None,
):
    """Take the clip out of an integer .tflite file: no training, no pictures, no float network.

    The operator before the clip stores its result on the clip's own grid, where storing saturates;
    then the clip has nothing left to do. The new file is written only if it is proved to stay
    within --max-difference codes and runs side by side with the old one.

    Examples:

      sr-export strip model.tflite --out clip-free.tflite

      sr-export strip model.tflite --out clip-free.tflite --max-difference 0 --json -

      sr-export strip model.tflite --out clip-free.tflite --repair-io
    """
    from sr_models.ground.child import Sandbox
    from sr_models.ground.files import refuse_existing, require_writable, writing_file
    from sr_models.ground.pixel_range import parse_pixels
    from sr_models.tflite.files import read_model

    given = parse_pixels(pixels) if pixels else None
    refuse_existing(out, overwrite=overwrite, replaces=())
    require_writable(out)
    read_model(file)
    with Sandbox("export.stripping.proof") as sandbox:
        sandbox.start()  # It imports while we do.
        result, mended = _work(
            file,
            limit=max_difference,
            repair=repair_io,
            floats=floats,
            sandbox=sandbox,
            pixels=given,
        )
    last = mended or result
    with writing_file(out) as path:
        path.write_bytes(last.content)
    data = result.to_json() if result else dict(_NOTHING_STRIPPED)
    if mended:
        data["repair_io"] = mended.to_json()
    data["sha256"] = last.sha256
    write_json(data, json)
    if json != "-":
        print_table(str(out), ["property", "value"], _rows(data))


def _work(
    file: Path, *, limit: int | None, repair: bool, floats: bool, sandbox, pixels
) -> tuple[Any, Any]:
    from export.stripping.mending import mend_io
    from export.stripping.strip import NoClipError, strip_model
    from sr_models.ground.errors import ModelFileError
    from sr_models.tflite.files import read_model

    read = read_model(file)
    try:
        result = strip_model(read, limit=limit, sandbox=sandbox, floats=floats)
        read = read_model(result.content, name=str(file))
    except NoClipError:
        if not repair:
            raise
        result = None
    if not repair:
        return result, None
    mended = mend_io(read, sandbox=sandbox, limit=1 if limit is None else limit, pixels=pixels)
    if result is None and not mended.repairs:
        why = "; ".join(mended.obstacles) or f"its codes are pixels already: {mended.pixels}"
        raise ModelFileError(
            f"expected a clip or a scale to repair, found neither in {file} ({why}); use the file "
            "as it is"
        )
    return result, mended


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
        ["stays", reason] for reason in (*data.get("not_removed", ()), *mended["not_repaired"])
    ]
    return [*rows, ["sha256", data["sha256"]]]


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
