"""How far verdicts of `sr-bench compare` can be trusted: differences that are known beforehand.

A file is held against itself, where "no difference shown" is right, and against itself with a
planted slowdown, where "slower" is right. Both are counted over many comparisons, each of which
opens the file anew, since where an interpreter's memory happens to lie decides a little of its
speed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from export.running.plan import Plan
from export.running.statistics import Comparison
from export.running.timing import Clock
from runtime_bench.comparing.comparison import compare_speed
from runtime_bench.evidence.studies import study
from runtime_bench.measuring.latency import Entry, latency_protocol, open_entries
from runtime_bench.measuring.machine import read_machine
from runtime_bench.measuring.options import (
    Delegate,
    FileSize,
    Json,
    Runs,
    Seconds,
    Seed,
    Threads,
    Warmup,
    sides,
)
from runtime_bench.measuring.tables import protocol_lines
from sr_models.ground.console import GateNotMet, print_table, progress, say, write_json
from sr_models.ground.errors import OptionError
from sr_models.tflite.files import ModelFile, read_model

SAME = "no difference shown"
SLOWER = "slower"


class SlowedRunner:
    """A runner that computes on after each inference, for a given share of the time it took.

    Nothing sleeps: a core is as busy as with a slower kernel.

    Args:
        runner: What really runs.
        share: Additional time over that of the inference, e.g. 0.05.
        clock: Seconds, monotonic. No clock of processor time: asking for that enters the system,
            which on a busy machine takes the chance to give the core to somebody else.
    """

    def __init__(self, runner: Any, share: float, *, clock: Clock = time.perf_counter):
        self._runner, self._share, self._clock = runner, share, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    def invoke(self) -> None:
        """Run, then work on."""
        start = self._clock()
        self._runner.invoke()
        end = start + (self._clock() - start) * (1 + self._share)
        while self._clock() < end:
            pass


@dataclass(frozen=True)
class Trust:
    """Verdicts on differences that were known beforehand.

    Attributes:
        model: The file's name as given.
        runtime: Interpreter package and version.
        slowdown: The planted share of additional time.
        same: One comparison of the file against itself after another.
        slowed: One comparison of the file against its slowed self after another.
        seconds: Time of all of it.
    """

    model: str
    runtime: str
    slowdown: float
    same: tuple[Comparison, ...]
    slowed: tuple[Comparison, ...]
    seconds: float

    @property
    def right_same(self) -> int:
        """How many of `same` show no difference."""
        return sum(found.verdict == SAME for found in self.same)

    @property
    def right_slowed(self) -> int:
        """How many of `slowed` are called slower."""
        return sum(found.verdict == SLOWER for found in self.slowed)

    def to_json(self) -> dict[str, Any]:
        """Counts, and every comparison behind them."""
        return {
            "model": self.model,
            "runtime": self.runtime,
            "slowdown": self.slowdown,
            "compared": len(self.same),
            "no_difference_shown": self.right_same,
            "slowdowns_found": self.right_slowed,
            "seconds": self.seconds,
            "same": [found.to_json() for found in self.same],
            "slowed": [found.to_json() for found in self.slowed],
        }


def measure_trust(
    source: str | Path | ModelFile,
    plan: Plan | None = None,
    *,
    comparisons: int = 100,
    slowdown: float = 0.05,
    open_pair: Callable[..., Sequence[Entry]] | None = None,
    on_step: Callable[[int, int], Any] = lambda done, total: None,
    **options: Any,
) -> Trust:
    """Compare a file with itself and with its slowed self, in turn, by the protocol of `compare`.

    Args:
        source: The file.
        plan: How each comparison is timed; its seed grows by one from comparison to comparison.
        comparisons: How many of each kind.
        slowdown: Share of additional time that is planted.
        open_pair: Opens a list of two sources; `open_entries` by default.
        on_step: Called with the comparisons done and all of them.
        options: Passed on to `open_entries`: `delegates`, `threads`, `height`, `width`.

    Raises:
        OptionError: No comparison, or no slowdown.
        SrError: See `open_entries`.
    """
    if comparisons < 1:
        raise OptionError(f"expected at least 1 comparison, found {comparisons}")
    if not 0 < slowdown < 10:
        raise OptionError(f"expected a slowdown above 0 and below 10, found {slowdown:g}")
    plan, open_pair = plan or Plan(), open_pair or open_entries
    model = source if isinstance(source, ModelFile) else read_model(source)
    start = time.perf_counter()
    same: list[Comparison] = []
    slowed: list[Comparison] = []
    for index in range(comparisons):
        seeded = replace(plan, seed=plan.seed + index)
        for found, share in ((same, 0.0), (slowed, slowdown)):
            baseline, candidate = open_pair([model, model], seed=seeded.seed, **options)
            if share:
                candidate = replace(candidate, runner=SlowedRunner(candidate.runner, share))
            found.append(compare_speed(baseline, candidate, seeded)[2])
            on_step(len(same) + len(slowed), 2 * comparisons)
    seconds = time.perf_counter() - start
    runtime = str(baseline.runner.runtime)
    return Trust(model.name, runtime, slowdown, tuple(same), tuple(slowed), seconds)


@study("trust")
def trust(
    file: Annotated[str, typer.Argument(help="A .tflite file.")],
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
    size: FileSize = None,
    json: Json = None,
) -> None:
    """Count right verdicts of compare: a file against itself, and against a planted slowdown.

    Exit status 1 where a gate is not met.

    [bold]Examples[/bold]

    \b
    sr-bench evidence trust model.tflite --size 48x64
    sr-bench evidence trust model.tflite --least-same 95 --least-found 90 --json trust.json
    sr-bench evidence trust model.tflite --comparisons 20 --slowdown 0.02 --runs 100
    """
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
            on_step=update,
            **sides(size),
        )
    write_json(
        {
            **found.to_json(),
            "threads": threads,
            "delegate": delegate,
            "machine": machine.to_json(),
            "protocol": latency_protocol(plan),
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
