"""How long a user waits to hear that a command was called wrongly."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import Any

from runtime_bench.evidence.studies import study
from runtime_bench.measuring.machine import read_machine
from runtime_bench.measuring.options import Json
from sr_models.ground.console import GateNotMet, print_table, write_json

LIMIT_S = 1.0
"""Seconds that an answer may take on an idle machine."""

PACKAGES = {
    "sr-models": "sr_models",
    "sr-calibrate": "representative_data",
    "sr-export": "export",
    "sr-bench": "runtime_bench",
}
"""Each command and the package that it is of."""

USAGES = (
    "sr-models show xslr_x3",
    "sr-models evaluate xlsr_x3 --data none",
    "sr-models train xslr_x3 --data none --run-dir run",
    "sr-calibrate xlsr_x3 --out rd.npz --taming soft",
    "sr-calibrate xlsr_x3 --out rd.npz --pictures 0",
    "sr-calibrate xslr_x3 --out rd.npz",
    "sr-export model xslr_x3 --out phone",
    "sr-export model xlsr_x3 --out phone --bogus",
    "sr-export model xlsr_x3 --out phone --io uint9",
    "sr-export model xlsr_x3 --out phone --method cfqp+equalise",
    "sr-export model xlsr_x3 --out phone --size 0x640",
    "sr-export model xlsr_x3 --out phone --keep conv --keep-most-sensitive 2 --precision mixed",
    "sr-export model xlsr_x3 --out phone --keep conv",
    "sr-export model xlsr_x3 --out phone --pixels 0..2",
    "sr-export model xlsr_x3 --out phone --images none",
    "sr-export model none.keras --out phone",
    "sr-export model none.onnx --out phone",
    "sr-export bundle xlsr_x3 --out phone --size large",
    "sr-export model xlsr_x3 --out phone --dequantize",
    "sr-export model xlsr_x3 --out phone --inputs none",
    "sr-export bundle xlsr_x3 --out phone --output sr",
    "sr-export bundle xlsr_x3 --out phone --inputs none",
    "sr-export sensitivity none.tflite --dequantize",
    "sr-export sensitivity xlsr_x3 --low-resolution --inputs none --images none",
    "sr-calibrate xlsr_x3 --out rd.npz --inputs none",
    "sr-export sensitivity xlsr_x3 --tail clip",
    "sr-export inspect none.tflite",
    "sr-export inspect none.pb",
    "sr-export inspect none.keras --fail-on nope",
    "sr-export inspect none.tflite --fail-on nope",
    "sr-export strip none.tflite --out new.tflite",
    "sr-export verify none",
    "sr-bench latency none.tflite",
    "sr-bench latency none.tflite --delegate xnpack",
    "sr-bench compare none.tflite other.tflite --runs 0",
    "sr-bench quality none.tflite --data none",
    "sr-bench upscale none.tflite photograph.png large.gif",
    "sr-bench android none.tflite",
    "sr-bench demo xlsr_x3 --size large",
    "sr-bench drop xslr_x3 --data none",
    "sr-bench drop xlsr_x3 --data none --dequantize",
    "sr-bench evidence methods xlsr_x3 --data none --output sr",
    "sr-bench evidence precision xlsr_x3 --data none --signature serve",
    "sr-bench evidence ablation xlsr_x3 --dequantize",
    "sr-bench evidence shaping xlsr_x3 --inputs none",
    "sr-bench evidence twins --bogus",
)
"""Wrong options, misspelt names, contradictions, sizes that cannot be, files that are missing."""


@dataclass(frozen=True)
class Answer:
    """What a command said to a wrong usage.

    Attributes:
        usage: The command line.
        seconds: Wall-clock time of the whole process.
        exit_status: What it ended with.
        said: The line on stderr.
    """

    usage: str
    seconds: float
    exit_status: int
    said: str

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def answer_to(usage: str, *, folder: str) -> Answer:
    """Call a command in a process of its own.

    Args:
        usage: One of `USAGES`.
        folder: An empty folder, where the process runs.
    """
    command, *words = usage.split()
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; from {PACKAGES[command]}.cli import main; main()"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    return Answer(usage, seconds, done.returncode, " ".join(done.stderr.split()))


@study("wrong-usage")
def wrong_usage(json: Json = None) -> None:
    """Time what the commands answer to wrong usage, each in a process of its own.

    Exit status 1 where an answer takes longer than a second, or is none.

    [bold]Example[/bold]

    \b
    sr-bench evidence wrong-usage --json wrong_usage.json
    """
    machine = read_machine()
    with tempfile.TemporaryDirectory() as folder:
        answer_to(USAGES[0], folder=folder)  # The first reads every file from disk.
        answers = [answer_to(usage, folder=folder) for usage in USAGES]
    write_json(
        {"answers": [answer.to_json() for answer in answers], "machine": machine.to_json()}, json
    )
    if json != "-":
        rows = [[a.usage, f"{a.seconds:.2f}", a.exit_status, a.said[:90]] for a in answers]
        print_table("Answers to wrong usage", ["usage", "s", "status", "said"], rows)
    if wrong := [a.usage for a in answers if a.exit_status != 2 or a.seconds > LIMIT_S]:
        raise GateNotMet(
            f"gate not met: an answer within {LIMIT_S:g} s; slower or without one: "
            f"{'; '.join(wrong)}"
        )
