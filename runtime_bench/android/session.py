"""Work on one phone: a folder there, the program and files in it, runs, and none of it left."""

from __future__ import annotations

import contextlib
import re
import secrets
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime_bench.android.adb import Adb, PhoneError, ShellResult
from runtime_bench.android.devices import PROGRAM, Program, ToolFiles
from runtime_bench.android.tool import Tool, parse_help
from runtime_bench.android.wire import MOST_BYTES, Message
from runtime_bench.measuring.machine import require_cpus

# The one place where a shell may write and run programs.
ROOT = "/data/local/tmp"
_FOLDER = "sr-bench-"
# What the program writes, which a later run that writes none must not be taken to have written.
WRITTEN = ("profile.csv", "results.pb", "runtime_info.pb", "output.raw")
# Beyond the program's own budget: warm-up as long as the runs, loading, compiling for an NPU.
SPARE_SECONDS = 120.0


@dataclass(frozen=True)
class Session:
    """A folder on a phone with the program in it.

    Attributes:
        adb: The client, bound to the phone.
        folder: The folder.
        tool: The program.
        program: Which file of this computer that is.
        libraries: Names of the libraries beside it.
        cpus: Mask of the cores to bind it to, hexadecimal; empty for none.
    """

    adb: Adb
    folder: str
    tool: Tool
    program: Program
    libraries: tuple[str, ...] = ()
    cpus: str = ""

    def path(self, name: str) -> str:
        """Where a file of this session lies on the phone."""
        return f"{self.folder}/{name}"

    def run(self, arguments: Sequence[str], *, seconds: float) -> str:
        """Run the program; what it printed.

        Raises:
            PhoneError: It printed nothing, ended with an error or by a signal, or took too long.
        """
        result = _run(self.adb, self.folder, arguments, cpus=self.cpus, seconds=seconds)
        if result.status != 0:
            raise _failure(self.adb, result)
        if not result.text.strip():
            raise PhoneError(
                f"expected {PROGRAM} to print times, found nothing (phone {self.adb.serial}); give "
                "the command-line program, not the app"
            )
        return result.text

    def pull_text(self, name: str) -> str:
        """The text of a file that the program wrote; empty where there is none."""
        result = self.adb.shell(f"cat {shlex.quote(self.path(name))}")
        return result.text if result.status == 0 else ""

    def pull_bytes(self, name: str) -> bytes:
        """The content of a file that the program wrote."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "file"
            self.adb.pull(self.path(name), local)
            return local.read_bytes()

    def pull_written(self, name: str) -> bytes | None:
        """The content of a file that the program may have written; `None` where it did not.

        Raises:
            WireError: It is larger than any such file.
            PhoneError: The phone is gone.
        """
        result = self.adb.shell(f"wc -c < {shlex.quote(self.path(name))}")
        if result.status != 0:
            return None
        size = result.text.strip()
        if size.isdecimal() and (len(size) > 15 or int(size) > MOST_BYTES):
            raise Message(b"", name).wrong(f"{size} bytes, more than any has")
        return self.pull_bytes(name)

    def push_bytes(self, data: bytes, name: str) -> str:
        """Write a file into the folder; its path there."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "file"
            local.write_bytes(data)
            self.adb.push(local, self.path(name))
        return self.path(name)


@contextmanager
def open_session(adb: Adb, files: ToolFiles, *, cpus: str = "") -> Iterator[Session]:
    """Copy the program to a new folder on the phone; the folder goes whatever happens.

    Raises:
        PhoneError: The phone has no room, cannot run the program, or is gone.
        OptionError: The program is no benchmark_model.
    """
    cpus = require_cpus(cpus)
    folder = f"{ROOT}/{_FOLDER}{secrets.token_hex(4)}"
    try:
        # What a session left that could not clean up, because its computer was switched off.
        adb.shell(
            f"find {ROOT} -maxdepth 1 -name '{_FOLDER}*' -mtime +0 -exec rm -rf {{}} + ; "
            f"mkdir -p {folder}"
        )
        for local in (files.program, *files.libraries):
            name = PROGRAM if local == files.program else local.name
            adb.push(local, f"{folder}/{name}")
        adb.shell(f"chmod 755 {folder}/{PROGRAM}")
        told = _run(adb, folder, ["--help"], seconds=60.0)
        if told.status in (126, 127):
            raise _failure(adb, told)
        names = tuple(library.name for library in files.libraries)
        yield Session(adb, folder, parse_help(told.text), files.describe(), names, cpus)
    finally:
        _clean(adb, folder)


def _run(
    adb: Adb, folder: str, arguments: Sequence[str], *, cpus: str = "", seconds: float
) -> ShellResult:
    bound = f"taskset {cpus} " if cpus else ""
    # Its process id is kept, so that cleaning up can end it.
    inner = (
        f"rm -f {' '.join(WRITTEN)}; echo $$ > pid; exec {bound}./{PROGRAM} {shlex.join(arguments)}"
    )
    # Qualcomm's NPU looks for its own library in a path of its own.
    paths = f"LD_LIBRARY_PATH={folder} ADSP_LIBRARY_PATH={folder}"
    return adb.shell(f"cd {folder} && {paths} sh -c {shlex.quote(inner)}", seconds=seconds)


def _clean(adb: Adb, folder: str) -> None:
    # Where the phone is gone, a later session removes the folder.
    with contextlib.suppress(PhoneError):
        adb.shell(
            f"kill -9 $(cat {folder}/pid) 2>/dev/null; rm -rf {folder}", seconds=20.0, always=True
        )


def _failure(adb: Adb, result: ShellResult) -> PhoneError:
    lines = [line.strip() for line in result.text.splitlines() if line.strip()]
    found = [line for line in lines if re.match(r"ERROR\b|.*\bUnconsumed cmdline flags", line)]
    # The last error only says that there was one.
    found = [line for line in found if "Benchmarking failed" not in line] or lines[-1:]
    said = found[0].removeprefix("ERROR: ")[:200] if found else "no word of it"
    where = f"phone {adb.serial}"
    if result.status in (126, 127):
        return PhoneError(
            f"expected a program that {where} can run, found: {said}; give the benchmark_model for "
            "its ABI"
        )
    if result.status > 128:
        return PhoneError(
            f"expected {PROGRAM} to finish on {where}, found it ended by signal "
            f"{result.status - 128} ({said}); try another delegate, or a newer program"
        )
    accelerators = re.search(r"NNAPI accelerators available: \[([^\]\n]*)\]", result.text)
    remedy = "try another delegate"
    if accelerators:
        remedy += f"; NNAPI accelerators there: {accelerators[1]}"
    if "Unconsumed" in said:
        remedy = "give a newer benchmark_model"
    return PhoneError(f"expected {PROGRAM} to measure on {where}, found: {said}; {remedy}")
