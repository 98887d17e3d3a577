"""The verb of `sr-bench` that runs files on other processors, a GPU and NPU compilers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer

from runtime_bench.measuring.options import Json, sides
from sr_models.ground.console import progress, say, write_json
from sr_models.ground.errors import OptionError, TargetError


def targets(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="Files to run and compile.")
    ] = None,
    *,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this one, or a pattern: 'arm64*'; repeatable.",
            show_default="all",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="Input size of what is run; compilers take the file's own.",
            show_default="the file's own",
        ),
    ] = None,
    set_up: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="First download and set up arm64, webgpu, vela or all; repeatable."
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where they are set up.",
            show_default="clip-free-sr/targets in the user's cache",
        ),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A Debian mirror.", show_default="that of this machine"),
    ] = None,
    json: Json = None,
) -> None:
    """Hold files against XNNPACK on this machine: ARM64 processors, a GPU, NPU compilers.

    ARM64 is emulated: its codes are a phone's, its times mean nothing and are not shown. Nothing is
    downloaded without --set-up.

    [bold]Examples[/bold]

    \b
    sr-bench targets --set-up all
    sr-bench targets model.tflite --size 48x64
    sr-bench targets clipped.tflite clip_free.tflite --target 'ethos*' --json targets.json
    sr-bench targets model.tflite --target arm64-i8mm/xnnpack --cache machines
    """
    from export.running.machines import cache_folder

    folder = cache or cache_folder()
    if not files and not set_up:
        raise OptionError("expected files or --set-up, found neither; see --help")
    for name in set_up or ():
        _set_up(name, folder, mirror)
    if not files:
        return
    from runtime_bench.targets.target import choose_targets
    from sr_models.tflite.files import read_model

    chosen, at = choose_targets(target or ()), sides(size)
    models = [read_model(file) for file in files]
    from runtime_bench.targets.measuring import TargetBench
    from runtime_bench.targets.tables import notes_of, print_targets

    with TargetBench(folder) as bench, progress("running", unit="targets") as update:
        if target:
            bench.require_installed(chosen)
        steps = itertools.count()

        def step(name: str) -> None:
            update(next(steps), len(models) * len(chosen), name)

        results = [bench.measure(model, chosen, on_step=step, **at) for model in models]
    write_json({"results": [found.to_json() for found in results]}, json)
    if json != "-":
        for found in results:
            print_targets(found)
    failed = [row.failure for found in results for row in found.rows if row.failure]
    for line in dict.fromkeys(line for found in results for line in notes_of(found.rows)):
        if line not in failed:
            say(line)
    if failed:
        raise TargetError("; ".join(failed))


def _set_up(name: str, folder: Path, mirror: str | None) -> None:
    from runtime_bench.targets.setting_up import MACHINES, SetUp

    with progress(f"setting up {name}", unit="%") as update:
        make = SetUp(folder, mirror=mirror, on_stage=say, on_progress=update)
        for machine in MACHINES if name == "all" else (name,):
            changed = make(machine)
            say(f"{machine}: {'set up' if changed else 'stands already'} in {folder / machine}")
