"""Files run and compiled on every target, their codes held against XNNPACK's on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.bundle.golden import golden_picture
from export.inspecting.vendor_tables import VENDORS
from export.inspecting.vendors import judge_graph
from export.running.differences import CodeDifference
from export.running.hosted import run_once, unpacked
from export.running.interpreters import open_model
from export.running.machines import (
    CPUS,
    INTERPRETER,
    MOST_SECONDS,
    arm64_sandbox,
    broken,
    find_machine,
    too_slow,
    webgpu_sandbox,
)
from export.running.pixels import EIGHT_BITS, codes_of_pixels, dequantized_pixels
from export.running.runtimes import Delegation
from export.running.tensors import Tensor
from runtime_bench.targets.accelerated import run_on_gpu
from runtime_bench.targets.target import FileOnTargets, Target, TargetRow
from runtime_bench.targets.vela import compile_file
from sr_models.ground.child import Crash, Sandbox
from sr_models.ground.errors import ModelFileError, TargetError
from sr_models.tflite.files import ModelFile
from sr_models.tflite.flatbuffer import read_graph

MEMORY_MB = 12_288


@dataclass(frozen=True)
class Fed:
    """A file and what it is fed.

    Attributes:
        model: The file.
        codes: Elements of its input.
        source: Its input at the size that it is run at.
        target: Its output.
        size: Height and width where they are not the file's own; else both `None`.
    """

    model: ModelFile
    codes: np.ndarray
    source: Tensor
    target: Tensor
    size: dict[str, int | None]

    @classmethod
    def of(cls, model: ModelFile, *, height: int | None, width: int | None) -> Fed:
        """A file with the picture of golden pairs: a photograph and rows of noise.

        Raises:
            ModelFileError: It does not take one picture, or not of this size.
        """
        runner = open_model(model, height=height, width=width)
        source = runner.inputs[0] if len(runner.inputs) == 1 else None
        if source is None or source.picture_shape is None or source.picture_shape[2] not in (1, 3):
            found = ", ".join(f"{t.shape} {t.dtype}" for t in runner.inputs) or "none"
            raise ModelFileError(
                f"expected one input (N, H, W, C), found {found} in {model.name}; "
                "give a file that takes one picture"
            )
        high, wide, channels = source.picture_shape
        if runner.any_size and height is None:
            raise ModelFileError(
                f"expected a size for {model.name}, which takes any; give --size, e.g. 48x64"
            )
        pixels = golden_picture(high, wide)[..., :channels]
        codes = codes_of_pixels(pixels, source)
        shaped = codes.transpose(2, 0, 1) if source.channels_first else codes
        batch = np.repeat(shaped[None], source.shape[0], axis=0)
        size = {"height": height, "width": width}
        return cls(model, np.ascontiguousarray(batch), source, runner.outputs[0], size)

    def pixels(self, output: np.ndarray) -> np.ndarray:
        """An output as integers that differ by 1 where pixels differ by one code."""
        if self.target.dtype in EIGHT_BITS:
            return output
        return dequantized_pixels(output, self.target)[0]


class TargetBench:
    """Runs files on targets; each machine's Python is started once. A context manager.

    Attributes:
        cache: Where machines are set up.
    """

    def __init__(self, cache: Path | None = None):
        """Nothing is started yet."""
        self.cache = cache
        self._stack = ExitStack()
        self._started: dict[str, Sandbox] = {}

    def __enter__(self) -> TargetBench:
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()
        self._started.clear()

    def require_installed(self, targets: Sequence[Target]) -> None:
        """Raise `TargetError` for a target whose machine is not set up."""
        for target in targets:
            if target.machine:
                find_machine(target.machine, self.cache)

    def measure(
        self,
        model: ModelFile,
        targets: Sequence[Target],
        *,
        height: int | None = None,
        width: int | None = None,
        on_step: Callable[[str], Any] = lambda name: None,
    ) -> FileOnTargets:
        """A file on targets, a row for each.

        Args:
            model: The file.
            targets: From `choose_targets`.
            height: Input height of what is run; the file's own without. Compilers always have
                the file's own.
            width: Input width, together with `height`.
            on_step: Called with the name of the target that comes next.

        Raises:
            ModelFileError: The file cannot be run by XNNPACK on this machine.
            TargetError: A run is expected to take too long; a machine does not start.
        """
        compilers = [target for target in targets if target.is_compiler]
        rows: dict[Target, TargetRow] = {}
        if len(compilers) < len(targets):
            fed = Fed.of(model, height=height, width=width)
            expected = self._run_here(fed, "xnnpack")
            self._require_quick(fed, targets, seconds=expected["seconds"])
            codes = fed.pixels(unpacked(expected))
        for target in targets:
            on_step(target.name)
            try:
                if target.machine:
                    find_machine(target.machine, self.cache)
                if target.is_table:
                    listed = judge_graph(read_graph(model), VENDORS[target.processor])
                    rows[target] = TargetRow(target, listed=listed)
                elif target.is_compiler:
                    rows[target] = self._compiled(model, target)
                else:
                    rows[target] = self._compared(fed, target, codes)
            except TargetError as error:
                rows[target] = TargetRow(target, missing=str(error))
            except ModelFileError as error:
                rows[target] = TargetRow(target, failure=str(error))
            except Crash as crash:
                raise self._blamed(target, crash) from crash
        return FileOnTargets(model, height, width, tuple(rows.values()))

    def _blamed(self, target: Target, crash: Crash) -> TargetError:
        if target.machine:
            return broken(target.machine, crash, self.cache)
        return TargetError(f"expected {target.name} to run the file, found: {crash}; leave it out")

    def _run_here(self, fed: Fed, delegate: str) -> dict[str, Any]:
        sandbox = self._sandbox("", lambda: Sandbox(memory_mb=MEMORY_MB, timeout_s=1800))
        content, codes = fed.model.data, fed.codes.tobytes()
        try:
            return sandbox.call(run_once, content, codes, delegate=delegate, **fed.size)
        except Crash as crash:
            raise ModelFileError(
                f"expected to run {fed.model.name} ({INTERPRETER}, {delegate}), found: {crash}; "
                "export it again"
            ) from crash

    def _sandbox(self, key: str, make: Callable[[], Sandbox]) -> Sandbox:
        if key not in self._started:
            self._started[key] = self._stack.enter_context(make())
        return self._started[key]

    def _require_quick(self, fed: Fed, targets: Sequence[Target], *, seconds: float) -> None:
        for target in targets:
            expected = too_slow(seconds, target.machine)
            if not expected:
                continue
            try:
                find_machine(target.machine, self.cache)
            except TargetError:
                continue
            high, wide = fed.source.picture_shape[:2]
            raise TargetError(
                f"expected a file that {target.name} runs within {MOST_SECONDS / 60:.0f} minutes, "
                f"found about {expected / 60:.0f} for {fed.model.name} at {high}x{wide}; "
                "give a smaller --size, e.g. 48x64"
            )

    def _compared(self, fed: Fed, target: Target, expected: np.ndarray) -> TargetRow:
        if target.kernel == "webgpu":
            told = self._run_on_gpu(fed)
        elif target.machine == "arm64":
            told = self._run_emulated(fed, target)
        else:
            told = self._run_here(fed, target.kernel)
        found = fed.pixels(unpacked(told).reshape(expected.shape))
        difference = CodeDifference.between([found], [expected])
        delegation = told["delegation"]
        return TargetRow(
            target,
            Delegation(**{**delegation, "left_behind": tuple(delegation["left_behind"])})
            if delegation
            else None,
            difference.max_abs_code_difference,
            difference.differing_fraction,
        )

    def _run_emulated(self, fed: Fed, target: Target) -> dict[str, Any]:
        [cpu] = [cpu for cpu in CPUS if cpu.name == target.processor]
        folder = find_machine("arm64", self.cache)
        sandbox = self._sandbox(
            cpu.name, lambda: arm64_sandbox(folder, cpu, "export.running.hosted")
        )
        content, codes = fed.model.data, fed.codes.tobytes()
        return sandbox.call(run_once, content, codes, delegate=target.kernel, **fed.size)

    def _run_on_gpu(self, fed: Fed) -> dict[str, Any]:
        folder = find_machine("webgpu", self.cache)
        sandbox = self._sandbox("webgpu", lambda: webgpu_sandbox(folder))
        told = sandbox.call(
            run_on_gpu,
            fed.model.data,
            fed.codes.tobytes(),
            shape=list(fed.codes.shape),
            dtype=fed.codes.dtype.name,
            output_shape=list(fed.target.shape),
            output_dtype=fed.target.dtype,
            resize=fed.size["height"] is not None,
        )
        runner = open_model(fed.model, **fed.size)
        total = runner.delegation.total_nodes if runner.delegation else 0
        # It tells whether it takes a file whole, and no more.
        whole = Delegation(total, total, 1, ()).to_json() if told["whole"] and total else None
        return {**told, "delegation": whole}

    def _compiled(self, model: ModelFile, target: Target) -> TargetRow:
        machine = find_machine(target.machine, self.cache)
        compiled = compile_file(machine, model.data, accelerator=target.processor, name=model.name)
        return TargetRow(target, compiled.delegation, compiled=compiled)
