"""Golden pairs on emulated ARM64 processors: whether a phone's CPU makes the pixels made here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.bundle.golden import GoldenPair, Tolerance, difference
from export.running.hosted import run_once, unpacked
from export.running.machines import (
    CPUS,
    Arm64Cpu,
    arm64_sandbox,
    broken,
    find_machine,
    too_slow,
)
from sr_models.ground.child import Crash
from sr_models.ground.errors import TargetError


@dataclass(frozen=True)
class Arm64Proof:
    """A golden pair run by XNNPACK on one processor.

    Attributes:
        cpu: The processor.
        found: How far its output is from the expected one.
    """

    cpu: Arm64Cpu
    found: Tolerance

    def to_json(self) -> dict[str, Any]:
        """Its entry of the manifest."""
        return {"cpu": self.cpu.name, "kernel": self.cpu.kernels, **self.found.to_json()}


def prove_pair(
    content: bytes,
    pair: GoldenPair,
    *,
    cache: Path | None = None,
    on_stage: Callable[[str], Any] = lambda stage: None,
) -> tuple[Arm64Proof, ...]:
    """Run a pair on every emulated processor; on none where they are not set up.

    Args:
        content: The `.tflite` file.
        pair: Its pair.
        cache: Where machines are set up.
        on_stage: Called with what begins next, or why nothing does.

    Raises:
        TargetError: The machine is there, and its Python does not start.
    """
    try:
        folder = find_machine("arm64", cache)
    except TargetError as error:
        on_stage(f"not run on ARM64: {error}")
        return ()
    codes = pair.input.tobytes()
    if slow := too_slow(run_once(content, codes, delegate="xnnpack")["seconds"], "arm64"):
        on_stage(f"not run on ARM64, which would take about {slow / 60:.0f} minutes")
        return ()
    proofs = []
    for cpu in CPUS:
        on_stage(f"running on an emulated {cpu.name} ({cpu.kernels} kernels)")
        with arm64_sandbox(folder, cpu, "export.running.hosted") as sandbox:
            try:
                told = sandbox.call(run_once, content, codes, delegate="xnnpack")
            except Crash as crash:
                raise broken("arm64", crash, cache) from crash
        proofs.append(Arm64Proof(cpu, difference(unpacked(told)[0], pair.output)))
    return tuple(proofs)
