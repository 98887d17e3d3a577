"""The verb of `sr-bench` that times `.tflite` files on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_bench.measuring.options import (
    Against,
    Cpus,
    Delegates,
    Files,
    FileSize,
    FullDelegation,
    Json,
    Runs,
    Save,
    Seconds,
    Seed,
    ThreadCounts,
    Warmup,
    sides,
)
from sr_models.ground.console import GateNotMet, progress, say, write_json
from sr_models.ground.errors import OptionError


def latency(
    files: Files,
    *,
    delegate: Delegates = ["xnnpack"],  # noqa: B006
    threads: ThreadCounts = [1],  # noqa: B006
    runs: Runs = 50,
    seconds: Seconds = 60.0,
    warmup: Warmup = 3,
    seed: Seed = 0,
    size: FileSize = None,
    picture: Annotated[
        str | None, typer.Option(help="Feed this picture, resized, instead of random pixels.")
    ] = None,
    cpus: Cpus = "",
    require_full_delegation: FullDelegation = False,
    memory: Annotated[
        bool, typer.Option("--memory", help="Peak memory too, each in a process of its own.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Times per operator too (xnnpack and builtin).")
    ] = False,
    save: Save = None,
    against: Against = None,
    max_slowdown: Annotated[
        float | None,
        typer.Option(metavar="RATIO", help="Gate with --against: not slower by more, e.g. 1.1."),
    ] = None,
    json: Json = None,
) -> None:
    """Time files in interleaved rounds, over every delegate and number of threads.

    [bold]Examples[/bold]

    \b
    sr-bench latency model.tflite
    sr-bench latency clipped.tflite clip_free.tflite --threads 1 --threads 2
    sr-bench latency model.tflite --delegate xnnpack --delegate builtin --json latency.json
    sr-bench latency model.tflite --delegate external:libdelegate.so,key=value --cpus 3
    sr-bench latency model.tflite --size 360x640 --require-full-delegation --memory
    sr-bench latency model.tflite --profile --json profile.json
    sr-bench latency model.tflite --against speed.jsonl --save speed.jsonl --max-slowdown 1.1
    """
    from export.running.plan import Plan
    from runtime_bench.history.history import read_earlier, require_history_target
    from runtime_bench.measuring.machine import bound_to, read_machine, require_cpus
    from runtime_bench.measuring.usage import require_files, require_picture, require_profiled

    plan, sizes = Plan(runs=runs, seconds=seconds, warmup=warmup, seed=seed), sides(size)
    require_cpus(cpus)
    if profile:
        require_profiled(delegate)
    if max_slowdown is not None and (against is None or not max_slowdown >= 1):
        raise OptionError(
            f"expected a --max-slowdown of 1 or more beside --against FILE, found {max_slowdown:g}"
            f"{'' if against else ' without --against'}; give e.g. 1.1"
        )
    require_history_target(save)
    if against is not None:
        read_earlier(against)
    require_picture(picture)
    require_files(files, delegates=delegate, threads=threads)
    from runtime_bench.history.bookkeeping import Bookkeeping
    from runtime_bench.history.trend import slowed_down
    from runtime_bench.measuring.latency import latency_protocol, measure_latency
    from runtime_bench.measuring.tables import (
        print_latency,
        print_profiles,
        protocol_lines,
        scatter_lines,
    )
    from sr_models.ground.pictures import load_image

    book = Bookkeeping("latency", save=save, against=against)
    machine = read_machine()
    fed = None if picture is None else load_image(picture)
    with bound_to(cpus):
        with progress("timing", unit="rounds") as update:
            results = measure_latency(
                files,
                plan,
                delegates=delegate,
                threads=threads,
                picture=fed,
                on_step=update,
                **sizes,
            )
        entries = [
            (file, name, count)
            for file in files
            for name in dict.fromkeys(delegate)
            for count in dict.fromkeys(threads)
        ]
        if memory:
            results = _with_memory(results, entries, sizes)
        if profile:
            results = _with_profiles(results, entries, sizes, plan=plan, picture=fed)
    rows = [result.to_json() for result in results]
    told = {**latency_protocol(plan, picture=picture), "cpus": cpus or None}
    samples = [[round(sample, 4) for sample in result.samples_ms] for result in results]
    trend = book.take(
        [{**row, "samples_ms": taken} for row, taken in zip(rows, samples)],
        machine=machine.to_json(),
        protocol=told,
    )
    write_json({"results": rows, "machine": machine.to_json(), "protocol": told, **trend}, json)
    if json != "-":
        print_latency(results)
        print_profiles(results)
        book.print()
    for line in (*protocol_lines(machine, results[0].runtime), *scatter_lines(results)):
        say(line)
    failed = []
    left = [result for result in results if not result.whole]
    if require_full_delegation and left:
        found = ", ".join(f"{result.model} with {result.delegate}" for result in left)
        failed.append(f"gate not met: require-full-delegation ({found})")
    if max_slowdown is not None and (slower := slowed_down(book.trends, max_slowdown)):
        failed.append(f"gate not met: max-slowdown ({'; '.join(slower)})")
    book.close(gates_met=not failed)
    if failed:
        raise GateNotMet("; ".join(failed))


def _with_memory(results, entries, sizes):
    from dataclasses import replace

    from runtime_bench.measuring.memory import measure_peak_mb

    return [
        replace(result, peak_memory_mb=measure_peak_mb(file, delegate=name, threads=count, **sizes))
        for result, (file, name, count) in zip(results, entries)
    ]


def _with_profiles(results, entries, sizes, *, plan, picture):
    from dataclasses import replace

    from runtime_bench.measuring.profile import profile_file

    found = []
    # The budget is that of all entries together, as for the timed rounds.
    plan = replace(plan, seconds=plan.seconds / len(entries))
    with progress("profiling", unit="files") as update:
        for done, (result, (file, name, count)) in enumerate(zip(results, entries)):
            update(done, len(entries))
            taken = profile_file(file, plan, delegate=name, threads=count, picture=picture, **sizes)
            found.append(replace(result, profile=taken))
    return found
