"""The machine that a figure was measured on, and whether it was quiet enough to measure."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sr_models.ground.errors import OptionError


def require_cpus(mask: str) -> str:
    """A mask of cores as `taskset` has it, hexadecimal without `0x`; empty for no mask.

    Raises:
        OptionError: Anything else, and a mask of no core at all.
    """
    bare = mask.lower().removeprefix("0x")
    if mask and not (re.fullmatch(r"[0-9a-f]{1,16}", bare) and int(bare, 16)):
        raise OptionError(f"expected a mask of cores such as f0 (cores 4 to 7), found {mask!r}")
    return bare


def cores_of_mask(mask: str) -> frozenset[int]:
    """Numbers of the cores in a mask: `f0` is 4 to 7."""
    bits = int(require_cpus(mask) or "0", 16)
    return frozenset(core for core in range(bits.bit_length()) if bits >> core & 1)


@contextmanager
def bound_to(mask: str) -> Iterator[None]:
    """Bind this process, and every thread that it starts within, to the cores of a mask.

    Args:
        mask: Hexadecimal; empty to change nothing.

    Raises:
        OptionError: No mask, cores that this machine does not give, or no way to bind.
    """
    if not require_cpus(mask):
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise OptionError("expected a system that binds work to cores, found none; leave --cpus")
    former = os.sched_getaffinity(0)
    wanted = cores_of_mask(mask)
    if not wanted <= former:
        raise OptionError(
            f"expected cores of {sorted(former)} in --cpus {mask}, found {sorted(wanted)}"
        )
    os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        os.sched_setaffinity(0, former)


PACKAGES = ("ai-edge-litert", "tensorflow", "numpy")
# The instruction sets that decide which int8 and float kernels XNNPACK takes.
KERNEL_FEATURES = (
    "avx2",
    "fma",
    "avx_vnni",
    "avx512f",
    "avx512bw",
    "avx512_vnni",
    "amx_int8",
    "asimd",
    "asimddp",
    "i8mm",
    "fphp",
    "sve",
)
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
# Timings begin to scatter well before a machine is fully loaded.
_QUIET_LOAD = 0.25


@dataclass(frozen=True)
class Processor:
    """What the operating system says about the processor.

    Attributes:
        model: Its name.
        features: Those of `KERNEL_FEATURES` that it has.
    """

    model: str
    features: tuple[str, ...]


@dataclass(frozen=True)
class Machine:
    """Machine and versions, as they stand beside every figure.

    Attributes:
        cpu: Processor model.
        cpu_features: Instruction sets that matter to the kernels.
        cores: Cores that this process may use.
        governor: CPU frequency governor; `None` where it cannot be read.
        load_average: Processes that wanted to run, mean of the last minute before the
            measurement; `None` where the system does not tell.
        system: Operating system and kernel release.
        python: Version of Python.
        versions: Package name to version, `None` where it is not installed.
    """

    cpu: str
    cpu_features: tuple[str, ...]
    cores: int
    governor: str | None
    load_average: float | None
    system: str
    python: str
    versions: dict[str, str | None]

    @property
    def warning(self) -> str | None:
        """Why timings taken now would be noisy; `None` for a quiet machine."""
        reasons = []
        if self.load_average is not None and self.load_average > _QUIET_LOAD * self.cores:
            reasons.append(f"load average {self.load_average:.1f} on {self.cores} core(s)")
        if self.governor not in (None, "performance"):
            reasons.append(f"CPU governor {self.governor}")
        if not reasons:
            return None
        return f"noisy machine: {' and '.join(reasons)}; end other work and measure again"

    def to_json(self) -> dict:
        """The attributes by name, and the warning."""
        return {**asdict(self), "cpu_features": list(self.cpu_features), "warning": self.warning}


def parse_cpuinfo(text: str) -> Processor:
    """Processor model and features from the text of Linux's `/proc/cpuinfo` (x86 and ARM)."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip().lower(), value.strip())
    flags = set((fields.get("flags") or fields.get("features") or "").split())
    model = fields.get("model name") or fields.get("hardware") or fields.get("cpu part") or ""
    return Processor(model, tuple(name for name in KERNEL_FEATURES if name in flags))


def read_machine() -> Machine:
    """The record of this machine at this moment; read it before the measurement adds its load."""
    processor = parse_cpuinfo(_text(Path("/proc/cpuinfo")) or "")
    governor = _text(_GOVERNOR)
    return Machine(
        cpu=processor.model or platform.processor() or platform.machine(),
        cpu_features=processor.features,
        cores=_cores(),
        governor=governor.strip() if governor else None,
        load_average=_load_average(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        versions={name: _version(name) for name in PACKAGES},
    )


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _load_average() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
