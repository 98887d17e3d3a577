"""The verb of `sr-bench` that measures on Android phones."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_bench.measuring.options import (
    Against,
    Cpus,
    FullDelegation,
    Json,
    Runs,
    Save,
    Warmup,
)
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
    tool_flag: Annotated[
        list[str],
        typer.Option(
            "--tool-flag",
            metavar="NAME=VALUE",
            help="A flag of benchmark_model's own, e.g. gpu_backend=opengl; repeatable.",
            show_default="none",
        ),
    ] = [],  # noqa: B006
    data: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Ground-truth pictures, for PSNR on the phone."),
    ] = None,
    runs: Runs = 50,
    warmup: Warmup = 3,
    seconds: Annotated[float, typer.Option(help="Time budget of the runs of each row.")] = 60.0,
    adb: Annotated[str, typer.Option(metavar="PATH", help="The adb program.")] = "adb",
    save: Save = None,
    against: Against = None,
    leaderboard: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Put rows for LiteRT's leaderboard here (JSON lines)."),
    ] = None,
    repo: Annotated[
        str,
        typer.Option(
            help="Hugging Face repository of the files, for --leaderboard.",
            show_default="the file's name",
        ),
    ] = "",
    json: Json = None,
) -> None:
    """Time files on Android phones over adb, with your benchmark_model (TFLite's or LiteRT's).

    What ran where is read from the runtime_info.pb that the tool writes; the verdict is "fell back
    to CPU" where the delegate did not take the graph. See docs/phones.md. Exit status 1 where a
    bundle's golden pair is not reproduced.

    [bold]Examples[/bold]

    \b
    sr-bench android model.tflite --benchmark-tool benchmark_model
    sr-bench android clipped.tflite clip_free.tflite --threads 1,4 --cpus f0
    sr-bench android model.tflite --delegate nnapi --accelerator google-edgetpu --profile
    sr-bench android model.tflite --serial A1 --serial B2 --json phones.json
    sr-bench android --bundle phone --benchmark-tool benchmark_model
    sr-bench android model.tflite --delegate gpu --against phones.jsonl --save phones.jsonl
    sr-bench android model.tflite --delegate gpu --tool-flag gpu_backend=opengl
    """
    from runtime_bench.android.tool import ToolRun, parse_flags, parse_threads
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
        extra=parse_flags(tool_flag),
    )
    counts = parse_threads(threads)
    require_cpus(cpus)
    require_data(data)
    require_files(files or ())
    from runtime_bench.android.adb import Adb, PhoneError
    from runtime_bench.android.golden import read_goldens
    from runtime_bench.android.leaderboard import (
        leaderboard_row,
        read_leaderboard,
        require_rows,
        write_leaderboard,
    )
    from runtime_bench.android.run import measure_phones, plan_job
    from runtime_bench.android.tables import phone_protocol_lines, print_phones
    from runtime_bench.history.bookkeeping import Bookkeeping
    from runtime_bench.measuring.quality import find_datasets

    book = Bookkeeping("android", save=save, against=against)
    if leaderboard is not None:
        require_rows(delegate, counts)
        read_leaderboard(leaderboard)
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
    rows = [result.to_json() for result in results]
    trend = book.take(rows, machine={}, protocol={"runs": runs, "warmup": warmup})
    write_json(
        {
            "results": rows,
            "quality": [row.to_json() for row in rated],
            "golden": [row.to_json() for row in pairs],
            "failures": failures,
            **trend,
        },
        json,
    )
    if json != "-":
        print_phones(results, rated)
        book.print()
    for line in phone_protocol_lines(results):
        say(line)
    for row in pairs:
        say(f"{row}: {'passed' if row.passed else 'failed'}")
    failed = []
    if wrong := [str(row) for row in pairs if not row.passed]:
        failed.append(f"gate not met: golden ({'; '.join(wrong)})")
    left = [result for result in results if not result.placement.whole]
    if require_full_delegation and left:
        found = ", ".join(f"{r.model.name} {r.placement.verdict}" for r in left)
        failed.append(f"gate not met: require-full-delegation ({found})")
    if failures:
        book.close(gates_met=False, refused="a phone failed")
        raise _failure(PhoneError, failures)
    book.close(gates_met=not failed)
    if failed:
        raise GateNotMet("; ".join(failed))
    if leaderboard is not None:
        write_leaderboard(leaderboard, [leaderboard_row(r, repo=repo) for r in results])
        say(f"put {len(results)} row(s) into {leaderboard}")


def _failure(kind: type[SrError], failures: dict[str, str]) -> SrError:
    if len(failures) == 1:
        return kind(next(iter(failures.values())))
    return kind("; ".join(f"{serial}: {error}" for serial, error in failures.items()))
