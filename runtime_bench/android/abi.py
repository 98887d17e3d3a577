"""Which processor a program is for, and which of a user's programs a phone can run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sr_models.errors import OptionError

PROGRAM = "benchmark_model"
# Machine numbers of ELF (gABI, e_machine) to Android's names (NDK, "Android ABIs").
MACHINES = {183: "arm64-v8a", 40: "armeabi-v7a", 62: "x86_64", 3: "x86", 243: "riscv64"}


@dataclass(frozen=True)
class ToolFiles:
    """What is copied to the phone to run a benchmark.

    Attributes:
        program: The `benchmark_model` program.
        libraries: Shared libraries that lie beside it, e.g. those of an accelerator.
    """

    program: Path
    libraries: tuple[Path, ...] = ()


def read_abi(path: str | Path) -> str | None:
    """Android's name of the ABI of an ELF program; `None` for a script or an unknown machine."""
    try:
        with open(path, "rb") as file:
            header = file.read(20)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OptionError(
            f"expected a benchmark_model program, found: {reason}: {path}; give --benchmark-tool"
        ) from error
    if len(header) < 20 or not header.startswith(b"\x7fELF"):
        return None
    order = "big" if header[5] == 2 else "little"
    return MACHINES.get(int.from_bytes(header[18:20], order))


def choose_tool(path: str | Path, abis: Sequence[str]) -> ToolFiles:
    """The program for a phone, from one file or from a folder with one folder per ABI.

    Args:
        path: The program, or a folder that holds `ABI/benchmark_model`; shared libraries beside
            such a program are taken along.
        abis: ABIs that the phone runs, its favourite first.

    Raises:
        OptionError: No program is there, or none for this phone.
    """
    path = Path(path)
    if path.is_dir():
        for abi in abis:
            program = path / abi / PROGRAM
            if program.is_file():
                return ToolFiles(program, tuple(sorted(program.parent.glob("*.so"))))
        raise OptionError(
            f"expected {PROGRAM} in a folder {' or '.join(abis)}, found none in {path}; put the "
            "program there"
        )
    found = read_abi(path)
    if found is not None and found not in abis:
        raise OptionError(
            f"expected a program for {' or '.join(abis)}, found {found} in {path}; give the "
            "benchmark_model of this phone"
        )
    return ToolFiles(path)
