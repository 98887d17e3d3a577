"""The verbs of `sr-bench` that show what its figures are worth: trust, overhead, twins."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_bench.verbs.options import (
    Delegate,
    Height,
    Json,
    Runs,
    Seconds,
    Seed,
    ThreadCounts,
    Threads,
    Warmup,
    Width,
)
from sr_models.ground.console import GateNotMet, print_table, progress, say, write_json
from sr_models.ground.files import require_writable, writing_file
from sr_models.ground.native_output import import_tensorflow_quietly

File = Annotated[str, typer.Argument(help="A .tflite file.")]


def trust(
    file: File,
    *,
    comparisons: Annotated[int, typer.Option(help="How many of each kind.")] = 100,
    slowdown: Annotated[float, typer.Option(help="Planted share of additional time.")] = 0.05,
    least_same: Annotated[
        int, typer.Option(help="Gate: how often a file must show no difference from itself.")
    ] = 0,
    least_found: Annotated[
        int, typer.Option(help="Gate: how often the planted slowdown must be found.")
    ] = 0,
    delegate: Delegate = "xnnpack",
    threads: Threads = 1,
    runs: Runs = 50,
    seconds: Seconds = 60.0,
    warmup: Warmup = 3,
    seed: Seed = 0,
    height: Height = None,
    width: Width = None,
    json: Json = None,
) -> None:
    """Count right verdicts of compare: a file against itself, and against a planted slowdown.

    Exit status 1 where a gate is not met.

    [bold]Examples[/bold]

    \b
    sr-bench trust model.tflite --height 48 --width 64
    sr-bench trust model.tflite --least-same 95 --least-found 90 --json trust.json
    sr-bench trust model.tflite --comparisons 20 --slowdown 0.02 --runs 100
    """
    from runtime_bench.evidence.trust import measure_trust
    from runtime_bench.measuring.latency import Plan, protocol
    from runtime_bench.measuring.machine import read_machine
    from runtime_bench.pages.tables import protocol_lines

    plan = Plan(runs=runs, seconds=seconds, warmup=warmup, seed=seed)
    machine = read_machine()
    with progress("comparing", unit="comparisons") as update:
        found = measure_trust(
            file,
            plan,
            comparisons=comparisons,
            slowdown=slowdown,
            delegates=[delegate],
            threads=[threads],
            height=height,
            width=width,
            on_step=update,
        )
    write_json(
        {
            **found.to_json(),
            "threads": threads,
            "delegate": delegate,
            "machine": machine.to_json(),
            "protocol": protocol(plan),
        },
        json,
    )
    if json != "-":
        rows = [
            ["the file itself", "no difference shown", found.right_same, comparisons],
            [f"{slowdown:.1%} slower", "slower", found.right_slowed, comparisons],
        ]
        print_table("Verdicts", ["candidate", "right verdict", "found", "of"], rows)
    for line in protocol_lines(machine, found.runtime):
        say(line)
    say(f"{2 * comparisons} comparisons in {found.seconds:.0f} s")
    counts = {
        "least-same": (found.right_same, least_same),
        "least-found": (found.right_slowed, least_found),
    }
    missed = [
        f"{name} {least} (found {right})"
        for name, (right, least) in counts.items()
        if right < least
    ]
    if missed:
        raise GateNotMet(f"gate not met: {', '.join(missed)}")


def overhead(
    file: File,
    *,
    threads: ThreadCounts = [1],  # noqa: B006
    rounds: Annotated[int, typer.Option(help="Processes of each program, in turn.")] = 9,
    runs: Runs = 50,
    warmup: Warmup = 5,
    max_overhead: Annotated[
        float | None, typer.Option(help="Gate: most that medians may differ, 0.02 for 2 %.")
    ] = None,
    json: Json = None,
) -> None:
    """Hold our latencies against those of ai-edge-litert's own benchmark, on XNNPACK.

    Exit status 1 where a gate is not met.

    [bold]Examples[/bold]

    \b
    sr-bench overhead model.tflite
    sr-bench overhead model.tflite --threads 1 --threads 2 --max-overhead 0.02
    """
    import numpy as np

    from runtime_bench.evidence.overhead import OURS, THEIRS, measure_overhead
    from runtime_bench.measuring.latency import Plan
    from runtime_bench.measuring.machine import read_machine
    from runtime_bench.pages.tables import protocol_lines

    plan, machine = Plan(runs=runs, warmup=warmup), read_machine()
    found = []
    for count in dict.fromkeys(threads):
        with progress(f"{count} thread(s)", unit="rounds") as update:
            found.append(measure_overhead(file, plan, threads=count, rounds=rounds, on_step=update))
    write_json(
        {
            "results": [result.to_json() for result in found],
            "rounds": rounds,
            "runs": runs,
            "machine": machine.to_json(),
        },
        json,
    )
    if json != "-":
        rows = [
            [
                result.threads,
                *(f"{np.median(ms):.2f}" for ms in (result.ours_ms, result.theirs_ms)),
                f"{result.ratio:.4f}",
                f"{result.low:.4f} to {result.high:.4f}",
            ]
            for result in found
        ]
        columns = ["threads", f"{OURS}, ms", f"{THEIRS}, ms", "ratio", "its 95 % interval"]
        print_table("Medians of processes in turn", columns, rows)
    for line in protocol_lines(machine, f"ai-edge-litert {machine.versions['ai-edge-litert']}"):
        say(line)
    far = [
        result
        for result in found
        if max_overhead is not None and not abs(result.overhead) <= max_overhead
    ]
    if far:
        said = ", ".join(f"{r.overhead:+.1%} at {r.threads} thread(s)" for r in far)
        raise GateNotMet(f"gate not met: max-overhead {max_overhead:g} ({said})")


def twins(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATTERN]...", help="Presets by name or pattern. [default: all with weights]"
        ),
    ] = None,
    *,
    out: Annotated[
        str, typer.Option(metavar="DIR", help="Where files are kept; made once, then only timed.")
    ],
    threads: ThreadCounts = [1, 2],  # noqa: B006
    height: Annotated[int, typer.Option(help="Input height of all files.")] = 180,
    width: Annotated[int, typer.Option(help="Input width of all files.")] = 320,
    method: Annotated[
        str | None, typer.Option(help="Recipe of the clip-free files. [default: as sr-export]")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="DIR", help="Ground-truth pictures, for PSNR.")
    ] = None,
    runs: Runs = 25,
    seconds: Seconds = 60.0,
    warmup: Warmup = 2,
    only_export: Annotated[
        bool, typer.Option("--only-export", help="Make the files and time nothing.")
    ] = False,
    markdown: Annotated[
        str | None, typer.Option(metavar="PATH", help="Write the table as Markdown.")
    ] = None,
    json: Json = None,
) -> None:
    """Clipped twins against clip-free files, over every preset that has weights.

    [bold]Examples[/bold]

    \b
    sr-bench twins --out twins --markdown twins.md --json twins.json
    sr-bench twins 'xlsr*' --out twins --height 360 --width 640 --threads 1
    sr-bench twins --out twins --only-export
    """
    from pathlib import Path

    from export.exporting.settings import ExportSettings
    from runtime_bench.evidence.twins import SIDE, export_twins, shipped_presets
    from runtime_bench.measuring.latency import Plan, protocol
    from runtime_bench.measuring.machine import read_machine
    from runtime_bench.measuring.quality import find_datasets
    from runtime_bench.pages.tables import protocol_lines

    plan = Plan(runs=runs, seconds=seconds, warmup=warmup)
    settings = ExportSettings(height=SIDE, width=SIDE, method=method)
    presets = shipped_presets(patterns or [])
    datasets = find_datasets(data) if data is not None else []
    if markdown is not None:
        require_writable(markdown)
    import_tensorflow_quietly()
    pairs = [export_twins(preset, Path(out), settings, on_stage=say) for preset in presets]
    if only_export:
        return
    from runtime_bench.evidence.twins import compare_twins, summary_of, twin_cells, twin_page

    machine = read_machine()
    with progress("comparing", unit="networks") as update:
        rows = compare_twins(
            pairs,
            threads=threads,
            height=height,
            width=width,
            plan=plan,
            datasets=datasets,
            on_network=lambda done, name: update(done, len(pairs), name),
        )
    write_json(
        {
            "results": [row.to_json() for row in rows],
            "height": height,
            "width": width,
            "method": settings.quantizing.recipe,
            "machine": machine.to_json(),
            "protocol": protocol(plan),
        },
        json,
    )
    if json != "-":
        print_table(f"Clipped twin and clip-free at {height}x{width}", *twin_cells(rows))
    notes = [*protocol_lines(machine, rows[0].first.baseline.runtime), *summary_of(rows)]
    for line in notes:
        say(line)
    if markdown is not None:
        intro = (
            f"Input {height}x{width}, uint8, clip-free by {settings.quantizing.recipe}, "
            f"median of at most {runs} interleaved rounds"
        )
        with writing_file(markdown) as path:
            path.write_text(twin_page(rows, notes=[intro, *notes]))
