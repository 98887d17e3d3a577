"""The verb `sr-export inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from export.verbs.target_tables import print_vendor, print_work, vendor_summary
from sr_models.ground.console import GateNotMet, print_table, write_json
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.options import FilePixels, Json


def inspect(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Files (.onnx, .pb, .keras, .h5 too), SavedModels, or folders of files."
        ),
    ],
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="ID,...", help="Exit with 1 where a file has one of these findings, or any."
        ),
    ] = None,
    run: Annotated[
        bool, typer.Option("--run/--no-run", help="Ask XNNPACK, in a child process.")
    ] = True,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Show each operator on a processor's kernels (arm64-dotprod, arm64-i8mm, "
            "arm64-neon, x86-avx2, x86-avxvnni, x86-avx512, x86-avx512vnni, here), or whether a "
            "chip's compiler takes it (qualcomm, mediatek, samsung, google, intel, mldrift, "
            "ethos-u, xnnpack).",
            show_default="a total, for arm64-dotprod",
        ),
    ] = None,
    pixels: FilePixels = None,
    json: Json = None,
):
    """Say what .tflite files really hold, and what is wrong with them.

    Of a float file, and of a network of ONNX, TensorFlow or Keras, it says whether `sr-export
    model` takes it, and if not which operators stand in the way.

    Findings: clip, coarse, contract, crash, dynamic, float, mixed, name, partitions, refused,
    version. These identifiers do not change.

    Examples:

      sr-export inspect model.tflite

      sr-export inspect model.tflite --target here

      sr-export inspect phone --target samsung --json -

      sr-export inspect downloads other.tflite --fail-on clip,contract --json report.json
    """
    from export.inspecting.vendor_tables import VENDORS
    from export.inspecting.vendors import require_any_target
    from export.running.targets import DEFAULT_TARGET, find_target
    from sr_models.ground.child import Sandbox
    from sr_models.ground.errors import ModelFileError, NetworkError
    from sr_models.ground.pixel_range import parse_pixels
    from sr_models.importing.source_kinds import is_of_tensorflow, is_onnx
    from sr_models.tflite.files import read_model

    wanted, vendor = _wanted(fail_on), VENDORS.get(target or "")
    require_any_target(target or DEFAULT_TARGET, VENDORS)
    kernels = find_target(DEFAULT_TARGET if vendor or not target else target)
    given = parse_pixels(pixels) if pixels else None
    paths = [path for place in files for path in _files_in(place)]
    for path in paths[:1] if len(paths) == 1 else ():  # Before a child is started.
        if is_of_tensorflow(path):
            _require_there(path)
        elif not is_onnx(path):
            read_model(path)
    data: dict[str, Any] = {}
    unreadable: list[str] = []
    with Sandbox("export.running.interpreters") as sandbox:
        if run and not all(is_onnx(path) or is_of_tensorflow(path) for path in paths):
            sandbox.start()  # It imports while we do.
        from export.inspecting.inspection import inspect_model
        from export.stripping.repair_io import repairable_sides

        for path in paths:
            try:
                if is_onnx(path):
                    import_tensorflow_quietly()
                    from export.inspecting.onnx_inspection import inspect_onnx

                    data[str(path)] = inspect_onnx(path).to_json()
                    continue
                if is_of_tensorflow(path):
                    import_tensorflow_quietly()
                    from export.inspecting.source_inspection import inspect_source

                    data[str(path)] = inspect_source(path).to_json()
                    continue
                found = inspect_model(
                    path,
                    sandbox=sandbox if run else None,
                    pixels=given,
                    repairs=repairable_sides,
                    target=kernels,
                    vendor=vendor,
                    as_source=True,
                )
                data[str(path)] = found.to_json()
            except (ModelFileError, NetworkError) as error:
                if len(paths) == 1:
                    raise
                unreadable.append(str(error))
                data[str(path)] = {"model": str(path), "error": str(error), "findings": []}
    write_json(data if len(paths) > 1 else next(iter(data.values())), json)
    if json != "-":
        _print(data, operators=target is not None, target=target if vendor else None)
    _judge(data, wanted=wanted, unreadable=unreadable)


def _require_there(path: Path) -> None:
    """Raise `NetworkError` for a network that is missing, or a pointer to one."""
    from sr_models.ground.errors import NetworkError
    from sr_models.importing.source_kinds import kind_of

    if not path.exists():
        raise NetworkError(f"expected a network, found no such file: {path}; check the spelling")
    kind_of(str(path))


def _wanted(fail_on: str | None) -> list[str]:
    if not fail_on:
        return []
    from export.inspecting.finding import IDENTIFIERS
    from sr_models.ground.errors import OptionError

    wanted = [gate.strip() for gate in fail_on.split(",")]
    for gate in wanted:
        if gate not in (*IDENTIFIERS, "any"):
            raise OptionError(
                f"expected findings of {', '.join(IDENTIFIERS)} or any, found {gate!r}; change "
                "--fail-on"
            )
    return list(IDENTIFIERS) if "any" in wanted else wanted


def _files_in(given: Path) -> list[Path]:
    from sr_models.ground.errors import ModelFileError
    from sr_models.importing.source_kinds import is_of_tensorflow

    if not given.is_dir() or is_of_tensorflow(given):
        return [given]
    found = sorted(path for path in given.rglob("*.tflite") if path.is_file())
    if not found:
        raise ModelFileError(
            f"expected .tflite files in {given}, found none; give another folder or a file"
        )
    return found


def _judge(data: dict[str, Any], *, wanted: list[str], unreadable: list[str]) -> None:
    from sr_models.ground.errors import ModelFileError

    if unreadable:
        more = f" ({len(unreadable) - 1} more like it)" if len(unreadable) > 1 else ""
        raise ModelFileError(unreadable[0] + more)
    failed = [
        f"{path}: {identifier}"
        for path, found in data.items()
        for identifier in dict.fromkeys(finding["id"] for finding in found["findings"])
        if identifier in wanted
    ]
    if failed:
        raise GateNotMet(f"not met: {', '.join(failed)}")


def _print(data: dict[str, Any], *, operators: bool, target: str | None) -> None:
    if len(data) > 1:
        columns = ["file", "input", "output", "operators", "clips", "XNNPACK", "needs", "findings"]
        rows = [_row(path, found) for path, found in data.items()]
        if target is not None:
            columns.insert(6, target)
            for row, found in zip(rows, data.values()):
                row.insert(6, vendor_summary(found.get("vendor")))
        print_table("", columns, rows)
        return
    for path, found in data.items():
        print_table(path, ["property", "value"], _glance(found))
        if found.get("vendor"):
            print_vendor(found["vendor"])
        elif operators and "work" in found:
            print_work(found["work"])
        for finding in found["findings"]:
            print(f"\n{finding['id']}: {finding['what']}")
            print(f"  impact: {finding['impact']}")
            print(f"  fix:    {finding['fix']}")
        if not found["findings"]:
            print("\nno findings")


def _row(path: str, found: dict[str, Any]) -> list[str]:
    if "error" in found:
        return [path, "", "", "", "", "", "", "unreadable"]
    if "opset" in found:
        return [path, "ONNX", "", str(sum(found["ops"].values())), "", "", "", "none"]
    if "kind" in found:
        return [path, found["kind"], "", "", "", "", "", "none"]
    return [
        path,
        *(", ".join(_brief(t) for t in found[side]) for side in ("inputs", "outputs")),
        str(sum(found["ops"].values())),
        str(len(found["clip_ops"])),
        _delegation(found, brief=True),
        found["minimum_runtime"],
        ", ".join(dict.fromkeys(finding["id"] for finding in found["findings"])) or "none",
    ]


def _glance(found: dict[str, Any]) -> list[list[str]]:
    def place(op: dict[str, Any]) -> str:
        return "" if op["height"] is None else f" {op['height']}x{op['width']}x{op['channels']}"

    if "opset" in found:
        return [
            *[["operators", f"{count} {op}"] for op, count in found["ops"].items()],
            ["written by", found["written_by"]],
            ["needs", f"ONNX opset {found['opset']}"],
            *_readiness(found),
            ["size", f"{found['size_bytes'] / 1000:.1f} kB"],
            ["sha256", found["sha256"]],
        ]
    if "kind" in found:
        return [
            ["kind", found["kind"]],
            *_readiness(found),
            ["size", f"{found['size_bytes'] / 1000:.1f} kB"],
            ["sha256", found["sha256"] or "of a folder there is none"],
        ]
    contract = found["pixel_contract"]
    clips = ", ".join(f"{op['op']} (operator {op['index']}){place(op)}" for op in found["clip_ops"])
    fused = ", ".join(
        f"{op['activation']} in {op['op']} (operator {op['index']})" for op in found["fused_clips"]
    )
    return [
        *[["operators", f"{op['count']} {op['op']}{place(op)}"] for op in found["operators"]],
        ["tensors", ", ".join(f"{n} {dtype}" for dtype, n in found["dtypes"].items())],
        [
            "full integer",
            "yes" if found["full_integer"] else f"no ({found['float_tensors']} float)",
        ],
        ["clips alone", clips or "none"],
        ["clips fused", fused or "none"],
        ["pixels", found["pixels"]["in_words"]],
        ["pixel contract", "holds" if contract["holds"] else "; ".join(contract["reasons"])],
        *[["input", _tensor(tensor)] for tensor in found["inputs"]],
        *[["output", _tensor(tensor)] for tensor in found["outputs"]],
        *[
            ["open dimensions", f"{t['name']} {t['shape_signature']}"]
            for t in found["dynamic_dimensions"]
        ],
        ["XNNPACK", _delegation(found)],
        ["kernels", _work(found["work"])],
        ["needs", f"TFLite {found['minimum_runtime']}"],
        *_readiness(found),
        ["size", f"{found['size_bytes'] / 1000:.1f} kB"],
        ["sha256", found["sha256"]],
    ]


def _work(work: dict[str, Any]) -> str:
    if not work["computed"]:
        return f"{work['useful'] / 1e6:,.1f} million multiply-adds in int8"
    return (
        f"{work['useful'] / 1e6:,.1f} of {work['computed'] / 1e6:,.1f} million multiply-adds "
        f"useful on {work['target']}"
    )


def _readiness(found: dict[str, Any]) -> list[list[str]]:
    """Whether an export takes a float file, in a row or two."""
    if (told := found["as_source"]) is None:
        return []
    notes = [["", note] for note in told["notes"]]
    return [["sr-export model", told["in_words"]], *notes]


def _tensor(info: dict[str, Any]) -> str:
    scale = "" if info["scale"] is None else f", scale {info['scale']:.6g}"
    zero = "" if info["zero_point"] is None else f", zero point {info['zero_point']}"
    return f"{info['name']}: {info['dtype']} {info['shape']}{scale}{zero}"


def _brief(info: dict[str, Any]) -> str:
    scale = "" if info["scale"] is None else f" {info['scale']:.5g}/{info['zero_point']}"
    return f"{info['dtype']} {'x'.join(str(size) for size in info['shape'][1:])}{scale}"


def _delegation(found: dict[str, Any], *, brief: bool = False) -> str:
    delegation = found["delegation"]
    if delegation is None:
        if found["runs_on"]:
            return f"refuses it; {' and '.join(found['runs_on'])} kernels run it"
        if _ran_badly(found):
            return "does not run"
        return "not asked" if found["runtime"] is None else "does not tell"
    taken = f"{delegation['delegated_nodes']}/{delegation['total_nodes']}"
    parts = f"in {delegation['partitions']} part(s)"
    if brief:
        return f"{taken} {parts}"
    left = ", ".join(delegation["left_behind"])
    return f"{taken} operators {parts}" + (f"; leaves {left}" if left else "")


def _ran_badly(found: dict[str, Any]) -> bool:
    return any(finding["id"] in ("crash", "refused") for finding in found["findings"])
