"""The targets that files are held against, and what is said of a file on each."""

from __future__ import annotations

import fnmatch
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from export.inspecting.vendor_tables import VENDORS
from export.inspecting.vendors import VendorReport
from export.running.machines import CPUS
from export.running.runtimes import Delegation
from runtime_bench.targets.vela import ACCELERATORS, Compiled
from sr_models.ground.errors import OptionError
from sr_models.tflite.files import ModelFile

HERE = {"x86_64": "x86-64", "aarch64": "arm64-here", "arm64": "arm64-here"}.get(
    platform.machine(), platform.machine()
)
"""What this machine's own processor is called among targets."""


@dataclass(frozen=True)
class Target:
    """Something that runs or compiles `.tflite` files.

    Attributes:
        name: What it is called: `arm64-dotprod/xnnpack`.
        machine: The machine that must be set up (`arm64`, `webgpu`, `vela`); empty for none.
        processor: The processor: `cortex-a76`, `ethos-u55-256`.
        kernel: Delegate or kernels: `xnnpack`, `builtin`, `reference`, `webgpu`, `vela`; `table`
            where a vendor's compiler is known by its table alone.
    """

    name: str
    machine: str
    processor: str
    kernel: str

    @property
    def is_compiler(self) -> bool:
        """Whether files are compiled or looked up only, at their own size."""
        return self.machine == "vela" or self.is_table

    @property
    def is_table(self) -> bool:
        """Whether nothing runs: operators are looked up in a vendor's table."""
        return self.kernel == "table"

    @property
    def is_emulated(self) -> bool:
        """Whether every instruction is emulated, so that large files take long."""
        return self.machine == "arm64"


TARGETS = (
    *(Target(f"{HERE}/{kernel}", "", HERE, kernel) for kernel in ("xnnpack", "builtin")),
    Target(f"{HERE}/reference", "", HERE, "reference"),
    *(
        Target(f"arm64-{cpu.kernels}/{kernel}", "arm64", cpu.name, kernel)
        for cpu in CPUS
        for kernel in ("xnnpack", "builtin")
    ),
    Target("gpu/webgpu", "webgpu", "lavapipe", "webgpu"),
    *(Target(name, "vela", name, "vela") for name in ACCELERATORS),
    *(
        Target(f"{name}/table", "", name, "table")
        for name in VENDORS
        if name not in ("xnnpack", "ethos-u")
    ),
)
"""Every target, in the order of the table; the first is what the others are compared with."""


def choose_targets(patterns: Sequence[str] = ()) -> list[Target]:
    """Targets by name or shell pattern, in the order of the table; all of them without any.

    Raises:
        OptionError: A pattern matches none.
    """
    for pattern in patterns:
        if not any(fnmatch.fnmatch(target.name, pattern) for target in TARGETS):
            raise OptionError(
                f"expected --target of {', '.join(target.name for target in TARGETS)}, found "
                f"{pattern!r}; give one of these or a pattern such as 'arm64*'"
            )
    return [
        target
        for target in TARGETS
        if not patterns or any(fnmatch.fnmatch(target.name, pattern) for pattern in patterns)
    ]


@dataclass(frozen=True)
class TargetRow:
    """One file on one target.

    Attributes:
        target: The target.
        delegation: What it takes of the file; `None` where it is not known.
        max_abs_code_difference: Greatest difference of a pixel from XNNPACK on this machine, in
            codes; `None` where nothing ran.
        differing_fraction: Share of the pixels that differ.
        compiled: What a compiler says.
        listed: What a vendor's table says.
        failure: Why the target does not take the file; empty where it does.
        missing: Why there is no such target here and how it is had; empty where there is.
    """

    target: Target
    delegation: Delegation | None = None
    max_abs_code_difference: int | None = None
    differing_fraction: float | None = None
    compiled: Compiled | None = None
    listed: VendorReport | None = None
    failure: str = ""
    missing: str = ""

    @property
    def status(self) -> str:
        """`ran`, `compiled`, `listed`, `failed` or `missing`."""
        if self.missing:
            return "missing"
        if self.failure:
            return "failed"
        if self.listed:
            return "listed"
        return "compiled" if self.compiled else "ran"

    def to_json(self) -> dict[str, Any]:
        """The row; of what is not known, `null`."""
        return {
            "target": self.target.name,
            "cpu": self.target.processor,
            "kernel": self.target.kernel,
            "status": self.status,
            "reason": self.failure or self.missing or None,
            "delegation": self.delegation.to_json() if self.delegation else None,
            "max_abs_code_difference": self.max_abs_code_difference,
            "differing_fraction": self.differing_fraction,
            "compiled": self.compiled.to_json() if self.compiled else None,
            "vendor": self.listed.to_json() if self.listed else None,
        }


@dataclass(frozen=True)
class FileOnTargets:
    """One file on every target that was asked for.

    Attributes:
        model: The file.
        height: Input height of what was run; `None` for the file's own.
        width: Input width of what was run; `None` for the file's own.
        rows: A row for each target.
    """

    model: ModelFile
    height: int | None
    width: int | None
    rows: tuple[TargetRow, ...]

    def to_json(self) -> dict[str, Any]:
        """The file, the size and the rows."""
        return {
            **self.model.to_json(),
            "height": self.height,
            "width": self.width,
            "results": [row.to_json() for row in self.rows],
        }
