"""Machines of other processors, set up in a cache folder: where they lie, how Python starts there.

`runtime_bench.targets` sets them up; here they are only found and started. An ARM64 machine is a
Debian userland that qemu runs instruction by instruction: its codes are an ARM64 processor's, its
times mean nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sr_models.ground.child import Crash, Sandbox
from sr_models.ground.errors import TargetError

READY = "ready.json"
"""The file of a machine that is whole; written last."""
FORMAT = 1
PYTHON = "3.13"
"""The Python of the Debian release that machines are made of."""
INTERPRETER = "ai-edge-litert"

MEMORY_MB = 12_288
TIMEOUT_S = 1800.0
MOST_SECONDS = 180.0
"""What one run on a machine may be expected to take."""
_SLOWER = {"arm64": 250.0, "webgpu": 60.0}
"""About how many times as long a run takes there as XNNPACK does here, with margin."""


@dataclass(frozen=True)
class Arm64Cpu:
    """A processor that qemu emulates.

    Attributes:
        name: qemu's name of it.
        kernels: The int8 kernels that XNNPACK takes on it: `neon`, `dotprod` or `i8mm`.
        part: Its part number, as Linux shows it.
        features: Its features, as Linux shows them.
    """

    name: str
    kernels: str
    part: str
    features: str


_ARMV8 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_ARMV82 = f"{_ARMV8} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
CPUS = (
    Arm64Cpu("cortex-a53", "neon", "0xd03", _ARMV8),
    Arm64Cpu("cortex-a76", "dotprod", "0xd0b", _ARMV82),
    Arm64Cpu("neoverse-n2", "i8mm", "0xd49", f"{_ARMV82} jscvt fcma sve sve2 i8mm bf16"),
)
"""One processor for each set of int8 kernels that phones have."""


def cpuinfo(cpu: Arm64Cpu, *, cores: int = 2) -> str:
    """What `/proc/cpuinfo` says on a processor; without it no core is found there."""
    lines = (
        ("Features", cpu.features),
        ("CPU implementer", "0x41"),
        ("CPU architecture", "8"),
        ("CPU variant", "0x0"),
        ("CPU part", cpu.part),
        ("CPU revision", "1"),
    )
    told = "".join(f"{name}\t: {value}\n" for name, value in lines)
    return "".join(f"processor\t: {core}\n{told}\n" for core in range(cores))


def cache_folder() -> Path:
    """Where machines are set up: `SR_TARGETS`, else a folder in the user's cache (XDG)."""
    if named := os.environ.get("SR_TARGETS"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "clip-free-sr" / "targets"


def interpreter_version() -> str | None:
    """The installed interpreter's version, which machines must have too; `None` without one."""
    try:
        return version(INTERPRETER)
    except PackageNotFoundError:
        return None


def remedy(name: str, cache: Path | None = None) -> str:
    """How a machine is had in a cache folder, the user's without one."""
    place = "" if cache in (None, cache_folder()) else f" --cache {cache}"
    return f"run: sr-bench targets --set-up {name}{place}"


def find_machine(name: str, cache: Path | None = None) -> Path:
    """The folder of a machine that is whole.

    Args:
        name: `arm64`, `webgpu` or `vela`.
        cache: Where machines are set up; `cache_folder()` without.

    Raises:
        TargetError: It is not set up, is broken, or was made for another interpreter.
    """
    folder = Path(cache or cache_folder()) / name
    how = remedy(name, folder.parent)
    if not folder.is_dir():
        raise TargetError(f"expected {name} in {folder.parent}, found none; {how}")
    try:
        told = json.loads((folder / READY).read_text())
        missing = [part for part in told["parts"] if not (folder / part).exists()]
        made_for, shape = told["interpreter"], told["format"]
    except (OSError, ValueError, KeyError, TypeError):
        missing, made_for, shape = [READY], None, FORMAT
    if missing:
        raise TargetError(f"expected a whole machine in {folder}, found no {missing[0]}; {how}")
    if shape != FORMAT or made_for not in (None, interpreter_version()):
        raise TargetError(
            f"expected {folder} made for {INTERPRETER} {interpreter_version()}, found one for "
            f"{made_for}; {how}"
        )
    return folder


def too_slow(seconds: float, name: str) -> float:
    """About how many seconds a run takes on a machine, where that is too long; else 0.

    Args:
        seconds: What XNNPACK on this processor took.
        name: The machine; none of those above takes no longer.
    """
    expected = seconds * _SLOWER.get(name, 0.0)
    return expected if expected > MOST_SECONDS else 0.0


def write_ready(folder: Path, *, parts: tuple[str, ...], interpreter: str | None) -> None:
    """Say that a machine is whole.

    Args:
        folder: Where it lies.
        parts: What must be there, relative to the folder.
        interpreter: Version of the interpreter in it; `None` where it has none.
    """
    told: dict[str, Any] = {"format": FORMAT, "interpreter": interpreter, "parts": list(parts)}
    (folder / READY).write_text(json.dumps(told))


def arm64_parts() -> tuple[str, ...]:
    """What must be there of an ARM64 machine."""
    root = [f"root/usr/bin/python{PYTHON}", "root/usr/lib/aarch64-linux-gnu/libc.so.6"]
    cpus = [f"cpus/{cpu.name}/proc/cpuinfo" for cpu in CPUS]
    return ("qemu-aarch64", *root, "site/ai_edge_litert", "site/numpy", *cpus)


def arm64_sandbox(folder: Path, cpu: Arm64Cpu, *modules: str) -> Sandbox:
    """A child process on an emulated processor; as polite as can be to other work.

    Args:
        folder: The machine, see `find_machine`.
        cpu: One of `CPUS`.
        modules: What it imports first.
    """
    folder = folder.absolute()
    root = folder / "cpus" / cpu.name
    guest = _python_environment(folder)
    given = [word for name, value in guest.items() for word in ("-E", f"{name}={value}")]
    python = str(root / "usr" / "bin" / f"python{PYTHON}")
    command = (str(folder / "qemu-aarch64"), "-L", str(root), *given, python)
    return Sandbox(
        *modules,
        memory_mb=MEMORY_MB,
        timeout_s=TIMEOUT_S,
        command=command,
        environment={**os.environ, "QEMU_CPU": cpu.name},
    )


def webgpu_parts() -> tuple[str, ...]:
    """What must be there of a machine with a software Vulkan device."""
    libraries = "root/usr/lib/x86_64-linux-gnu"
    return (
        f"root/usr/bin/python{PYTHON}",
        f"{libraries}/ld-linux-x86-64.so.2",
        f"{libraries}/libvulkan_lvp.so",
        f"{libraries}/libvulkan.so.1",
        "site/ai_edge_litert/libLiteRtWebGpuAccelerator.so",
        "site/numpy",
        "lavapipe.json",
    )


def webgpu_sandbox(folder: Path, *modules: str) -> Sandbox:
    """A child process that has Mesa's software Vulkan device; no root rights are needed."""
    folder = folder.absolute()
    libraries = folder / "root" / "usr" / "lib" / "x86_64-linux-gnu"
    loader, python = libraries / "ld-linux-x86-64.so.2", folder / webgpu_parts()[0]
    environment = {
        **os.environ,
        **_python_environment(folder),
        "VK_DRIVER_FILES": str(folder / "lavapipe.json"),
        "VK_ICD_FILENAMES": str(folder / "lavapipe.json"),
    }
    return Sandbox(
        *modules,
        memory_mb=MEMORY_MB,
        timeout_s=TIMEOUT_S,
        command=(str(loader), "--library-path", str(libraries), str(python)),
        environment=environment,
    )


def _python_environment(folder: Path) -> Mapping[str, str]:
    # Our packages come last: what a machine lacks must not be found among this processor's.
    packages = Path(__file__).absolute().parents[2]
    return {
        "PYTHONHOME": str(folder / "root" / "usr"),
        "PYTHONPATH": f"{folder / 'site'}:{packages}",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPYCACHEPREFIX": str(folder / "pycache"),
    }


def broken(name: str, crash: Crash, cache: Path | None = None) -> TargetError:
    """What is said of a machine whose Python does not start."""
    return TargetError(
        f"expected {name} to answer, found: {crash}; set it up once more, {remedy(name, cache)}"
    )
