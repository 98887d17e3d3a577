"""Vela, Arm's compiler for Ethos-U NPUs: what it takes of a file and expects it to cost."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.running.runtimes import Delegation
from sr_models.ground.child import Crash
from sr_models.ground.errors import ModelFileError
from sr_models.tflite.flatbuffer import read_graph

TIMEOUT_S = 900
ACCELERATORS = ("ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u85-256")

_COUNT = re.compile(r"^NPU operators = (\d+)", re.MULTILINE)
_ON_NPU = "ethos-u"
"""The operator of a compiled file that stands for a part that the NPU computes."""


@dataclass(frozen=True)
class Compiled:
    """What Vela says of a file; estimates, with its default system and memory for each NPU.

    Attributes:
        delegation: How many operators of the compiled graph the NPU takes, and those of the file
            that the host computes.
        cycles: Clock cycles of one picture.
        sram_mb: SRAM that it takes, in 2^20 bytes.
        dram_mb: DRAM that it takes, in 2^20 bytes; Ethos-U85 keeps most there.
        estimated_ms: Milliseconds of one picture, without what the host computes.
        system: Name of Vela's system configuration.
    """

    delegation: Delegation
    cycles: int
    sram_mb: float
    dram_mb: float
    estimated_ms: float
    system: str

    def to_json(self) -> dict[str, Any]:
        """The attributes."""
        return {**asdict(self), "delegation": self.delegation.to_json()}


def compile_file(machine: Path, content: bytes, *, accelerator: str, name: str) -> Compiled:
    """Compile a file for an NPU and throw the compiled file away.

    Args:
        machine: Folder of the compiler, see `export.running.machines.find_machine`.
        content: A `.tflite` file.
        accelerator: One of `ACCELERATORS`.
        name: What messages call the file.

    Raises:
        ModelFileError: Vela rejects the file.
        Crash: Vela itself does not start.
    """
    with tempfile.TemporaryDirectory(prefix="vela-") as folder:
        file = Path(folder, "model.tflite")
        file.write_bytes(content)
        options = ["--accelerator-config", accelerator, "--output-dir", folder]
        done = _vela(machine, str(file), *options)
        summaries = sorted(Path(folder).glob("*_summary_*.csv"))
        compiled = Path(folder, "model_vela.tflite")
        if done.returncode or not summaries or not compiled.exists():
            # One that does not even tell its version rejects no file: it is broken.
            try_vela(machine)
            raise ModelFileError(
                f"expected {accelerator}'s compiler to take {name}, found: {_reason(done)}; "
                "leave this target out, or export the file again"
            )
        parts = [operator.name for operator in read_graph(compiled).operators]
        return read_summary(summaries[0].read_text(), printed=done.stdout, parts=parts)


def read_summary(table: str, *, printed: str, parts: Sequence[str]) -> Compiled:
    """What Vela wrote and printed of one file.

    Args:
        table: The summary, CSV with a line of names and one of values.
        printed: Its output, with the number of operators on the NPU.
        parts: Operators of the compiled file: one for each part of the NPU's, and the host's.
    """
    [row] = csv.DictReader(table.splitlines())
    counted = _COUNT.search(printed)
    on_npu = int(counted.group(1)) if counted else 0
    on_host = tuple(name for name in parts if name != _ON_NPU)
    return Compiled(
        delegation=Delegation(
            delegated_nodes=on_npu,
            total_nodes=on_npu + len(on_host),
            partitions=len(parts) - len(on_host),
            left_behind=on_host,
        ),
        cycles=int(float(row["cycles_total"])),
        sram_mb=float(row["sram_memory_used"]) / 1024,
        dram_mb=float(row["dram_memory_used"]) / 1024,
        estimated_ms=float(row["inference_time"]) * 1000,
        system=row["system_config"],
    )


def try_vela(machine: Path) -> None:
    """See that Vela starts with this Python; raises `Crash` where it does not."""
    done = _vela(machine, "--version")
    if done.returncode:
        raise Crash(_reason(done))


def _vela(machine: Path, *words: str) -> subprocess.CompletedProcess:
    site = str((machine / "site").absolute())
    environment = {**os.environ, "PYTHONPATH": site, "PYTHONNOUSERSITE": "1"}
    try:
        return subprocess.run(
            [sys.executable, "-m", "ethosu.vela", *words],
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, "", f"no end after {TIMEOUT_S} s")


def _reason(done: subprocess.CompletedProcess) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else f"exit status {done.returncode}"
