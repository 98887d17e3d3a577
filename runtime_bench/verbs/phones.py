"""The verb of `sr-bench` that measures on Android phones."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_bench.measuring.options import Cpus, FullDelegation, Json, Runs, Warmup
from sr_models.ground.console import GateNotMet, progress, say, write_json
from sr_models.ground.errors import OptionError, SrError


def android(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Files to measure.")
    ] = None,
    *,
    bundle: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Or: the files of a bundle, with their golden pairs."),
    ] = None,
    serial: Annotated[
        list[str],
        typer.Option(
            "--serial",
            help="Phone to measure on; repeatable, all at once.",
            show_default="the only one",
        ),
    ] = [],  # noqa: B006
    delegate: Annotated[
        str, typer.Option(help="xnnpack, none (builtin kernels), gpu, nnapi or npu.")
    ] = "xnnpack",
    accelerator: Annotated[
        str, typer.Option(help="NNAPI accelerator by name.", show_default="the driver's choice")
    ] = "",
    threads: Annotated[str, typer.Option(help="Numbers of threads, e.g. 1,4.")] = "1",
    cpus: Cpus = "",
    profile: Annotated[bool, typer.Option("--profile", help="Times per operator too.")] = False,
    require_full_delegation: FullDelegation = False,
    benchmark_tool: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            envvar="SR_BENCHMARK_TOOL",
            help="benchmark_model for the phone, or a folder with ABI/benchmark_model.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Ground-truth pictures, for PSNR on the phone."),
    ] = None,
    runs: Runs = 50,
    warmup: Warmup = 3,
    seconds: Annotated[float, typer.Option(help="Time budget of the runs of each row.")] = 60.0,
    adb: Annotated[str, typer.Option(metavar="PATH", help="The adb program.")] = "adb",
    json: Json = None,
) -> None:
    """Time files on Android phones over adb, with your benchmark_model (TFLite's or LiteRT's).

    Says "fell back to CPU" where the delegate did not take the graph. See docs/phones.md. Exit
    status 1 where a bundle's golden pair is not reproduced.

    [bold]Examples[/bold]

    \b
    sr-bench android model.tflite --benchmark-tool benchmark_model
    sr-bench android clipped.tflite clip_free.tflite --threads 1,4 --cpus f0
    sr-bench android model.tflite --delegate nnapi --accelerator google-edgetpu --profile
    sr-bench android model.tflite --serial A1 --serial B2 --json phones.json
    sr-bench android --bundle phone --benchmark-tool benchmark_model
    """
    from runtime_bench.android.tool import ToolRun, parse_threads
    from runtime_bench.measuring.machine import require_cpus
    from runtime_bench.measuring.usage import require_data, require_files

    if bool(files) == (bundle is not None):
        raise OptionError("expected files or --bundle DIR, found both or neither; give one of them")
    run = ToolRun(
        delegate,
        accelerator=accelerator,
        runs=runs,
        warmup=warmup,
        seconds=seconds,
        profile=profile,
    )
    counts = parse_threads(threads)
    require_cpus(cpus)
    require_data(data)
    require_files(files or ())
    from runtime_bench.android.adb import Adb, PhoneError
    from runtime_bench.android.golden import read_goldens
    from runtime_bench.android.run import measure_phones, plan_job
    from runtime_bench.android.tables import phone_protocol_lines, print_phones
    from runtime_bench.measuring.quality import find_datasets

    goldens = {} if bundle is None else read_goldens(bundle)
    job = plan_job(
        files or list(goldens),
        threads=counts,
        run=run,
        tool=benchmark_tool,
        cpus=cpus,
        datasets=[] if data is None else find_datasets(data),
        goldens=goldens,
    )
    with progress("on the phone", unit="runs") as update:
        outcomes = measure_phones(Adb(adb), job, serials=serial, on_step=update)
    results = [result for outcome in outcomes for result in outcome.results]
    rated = [row for outcome in outcomes for row in outcome.quality]
    pairs = [row for outcome in outcomes for row in outcome.golden]
    failures = {outcome.serial: outcome.error for outcome in outcomes if outcome.error}
    write_json(
        {
            "results": [result.to_json() for result in results],
            "quality": [row.to_json() for row in rated],
            "golden": [row.to_json() for row in pairs],
            "failures": failures,
        },
        json,
    )
    if json != "-":
        print_phones(results, rated)
    for line in phone_protocol_lines(results):
        say(line)
    if failures:
        raise _failure(PhoneError, failures)
    for row in pairs:
        say(f"{row}: {'passed' if row.passed else 'failed'}")
    if wrong := [str(row) for row in pairs if not row.passed]:
        raise GateNotMet(f"gate not met: golden ({'; '.join(wrong)})")
    if require_full_delegation:
        left = [result for result in results if not result.placement.whole]
        if left:
            found = ", ".join(f"{r.model.name} {r.placement.verdict}" for r in left)
            raise GateNotMet(f"gate not met: require-full-delegation ({found})")


def _failure(kind: type[SrError], failures: dict[str, str]) -> SrError:
    if len(failures) == 1:
        return kind(next(iter(failures.values())))
    return kind("; ".join(f"{serial}: {error}" for serial, error in failures.items()))
