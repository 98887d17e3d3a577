"""Our latencies beside those of ai-edge-litert's own benchmark of the same file.

Both run as processes of their own, in turn, so that neither lives in memory that the other left
behind and each inference is timed by the program's own loop.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from export.running.plan import Plan
from export.running.statistics import bootstrap_ratio
from runtime_bench.evidence.studies import study
from runtime_bench.measuring.machine import read_machine
from runtime_bench.measuring.options import Json, Runs, ThreadCounts, Warmup
from runtime_bench.measuring.tables import protocol_lines
from sr_models.ground.console import GateNotMet, print_table, progress, say, write_json
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.tflite.files import read_model

TOOL = "ai_edge_litert.tools.benchmark_litert_model"
OURS, THEIRS = "sr-bench latency", "litert-benchmark"
LEAST_ROUNDS = 3
_SECONDS = 600

Measure = Callable[[Path, int, Plan], float]
"""Path of a file, number of threads, how to time -> median in milliseconds."""


@dataclass(frozen=True)
class Overhead:
    """Two programs' medians of one file, round by round.

    Attributes:
        model: The file's name as given.
        threads: Threads of both.
        ours_ms: Median of each of our processes, milliseconds.
        theirs_ms: Median of each of theirs.
        low: Lower end of the 95 % interval of `ratio`.
        high: Upper end.
    """

    model: str
    threads: int
    ours_ms: tuple[float, ...]
    theirs_ms: tuple[float, ...]
    low: float
    high: float

    @property
    def ratio(self) -> float:
        """Median of our medians over the median of theirs; above 1 ours are longer."""
        return float(np.median(self.ours_ms) / np.median(self.theirs_ms))

    @property
    def overhead(self) -> float:
        """The share that ours are longer; below 0 they are shorter."""
        return self.ratio - 1.0

    def to_json(self) -> dict[str, Any]:
        """Every round's medians, and what they say."""
        return {
            "model": self.model,
            "threads": self.threads,
            "delegate": "xnnpack",
            "ours_ms": list(self.ours_ms),
            "theirs_ms": list(self.theirs_ms),
            "ratio": self.ratio,
            "ratio_low": self.low,
            "ratio_high": self.high,
            "overhead": self.overhead,
        }


def our_median_ms(file: Path, threads: int, plan: Plan) -> float:
    """The median that `sr-bench latency` finds in a process of its own."""
    code = "from runtime_bench.cli import main; main()"
    arguments = [
        "latency",
        str(file),
        "--threads",
        threads,
        "--runs",
        plan.runs,
        "--warmup",
        plan.warmup,
        "--seconds",
        _SECONDS,
        "--json",
    ]
    (row,) = _run([sys.executable, "-c", code, *arguments])["results"]
    return row["median_ms"]


def their_median_ms(file: Path, threads: int, plan: Plan) -> float:
    """The median that ai-edge-litert's benchmark finds in a process of its own.

    It has no other CPU kernels than XNNPACK's, gives random codes, and rounds to 0.01 ms.
    """
    arguments = [
        "--model",
        str(file),
        "--num_threads",
        threads,
        "--num_runs",
        plan.runs,
        "--warmup_runs",
        plan.warmup,
        "--result_json",
    ]
    return _run([sys.executable, "-m", TOOL, *arguments])["latency"]["median_ms"]


def require_tool() -> None:
    """Raise `OptionError` where this ai-edge-litert brings no benchmark."""
    try:
        found = find_spec(TOOL) is not None
    except ModuleNotFoundError:
        found = False
    if not found:
        raise OptionError(
            f"expected ai-edge-litert with {TOOL}, found none; pip install -U ai-edge-litert"
        )


def measure_overhead(
    file: str | Path,
    plan: Plan | None = None,
    *,
    threads: int = 1,
    rounds: int = 9,
    measures: tuple[Measure, Measure] = (our_median_ms, their_median_ms),
    on_step: Callable[[int, int], Any] = lambda done, total: None,
) -> Overhead:
    """Let both programs time a file in turn; which comes first changes from round to round.

    Args:
        file: The file, at its own size.
        plan: Runs and warm-up of each process; seed of the interval.
        threads: Threads of both.
        rounds: Processes of each.
        measures: How ours and theirs are found.
        on_step: Called with the rounds done and all of them.

    Raises:
        OptionError: Fewer than `LEAST_ROUNDS` rounds, or no benchmark in ai-edge-litert.
        ModelFileError: A file that one of the programs cannot run.
    """
    if rounds < LEAST_ROUNDS:
        raise OptionError(f"expected at least {LEAST_ROUNDS} rounds, found {rounds}")
    if their_median_ms in measures:
        require_tool()
    plan, model = plan or Plan(), read_model(file)
    medians: list[list[float]] = [[], []]
    for done in range(rounds):
        for index in (0, 1) if done % 2 == 0 else (1, 0):
            medians[index].append(measures[index](Path(file), threads, plan))
        on_step(done + 1, rounds)
    ours, theirs = medians
    low, high = bootstrap_ratio(ours, theirs, seed=plan.seed)
    return Overhead(model.name, threads, tuple(ours), tuple(theirs), low, high)


def _run(command: Sequence[Any]) -> Mapping[str, Any]:
    """The JSON that a program writes to the path that it is given last."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        done = subprocess.run(
            [*map(str, command), str(result)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": path},
        )
        if done.returncode or not result.is_file():
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            raise ModelFileError(
                f"expected a median from {Path(command[0]).name} {command[2]}, found status "
                f"{done.returncode}: {said}; give a file that both programs run"
            )
        return json.loads(result.read_text())


@study("overhead")
def overhead(
    file: Annotated[str, typer.Argument(help="A .tflite file.")],
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
    sr-bench evidence overhead model.tflite
    sr-bench evidence overhead model.tflite --threads 1 --threads 2 --max-overhead 0.02
    """
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
