"""The phones that adb lists, which of them are meant, and which program is for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sr_models.ground.errors import OptionError
from sr_models.ground.files import file_sha256

PROGRAM = "benchmark_model"
# What LiteRT's is called where it was built from source.
_PROGRAMS = (PROGRAM, "benchmark_litert_model")
# Folders of Google's bucket of LiteRT binaries, by Android's name of the ABI.
_BUCKET_FOLDERS = {
    "arm64-v8a": "android_arm64",
    "armeabi-v7a": "android_arm",
    "x86_64": "android_x86_64",
}
# Machine numbers of ELF (gABI, e_machine) to Android's names (NDK, "Android ABIs").
MACHINES = {183: "arm64-v8a", 40: "armeabi-v7a", 62: "x86_64", 3: "x86", 243: "riscv64"}


@dataclass(frozen=True)
class Program:
    """Which program measured.

    Attributes:
        name: The file's name, behind its release and folder where it lies as in Google's bucket
            (`2.2.0/android_arm64/benchmark_model`).
        release: LiteRT's release, from a folder of that name; empty where no folder tells.
        sha256: Hash of the program, hexadecimal.
    """

    name: str
    release: str
    sha256: str


@dataclass(frozen=True)
class ToolFiles:
    """What is copied to the phone to run a benchmark.

    Attributes:
        program: The `benchmark_model` program.
        libraries: Shared libraries that lie beside it, e.g. those of an accelerator.
    """

    program: Path
    libraries: tuple[Path, ...] = ()

    def describe(self) -> Program:
        """Which program that is; its release goes by the folder, since it tells none itself."""
        parts = self.program.resolve().parts
        for index in range(len(parts) - 2, -1, -1):
            if re.fullmatch(r"v?\d+\.\d+\.\d+[\w.-]*", parts[index]):
                release = parts[index].removeprefix("v")
                return Program("/".join(parts[index:]), release, file_sha256(self.program))
        return Program(self.program.name, "", file_sha256(self.program))


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
        path: The program, or a folder that holds it, or one that holds `ABI/benchmark_model` (also
            `android_arm64/...` as in Google's bucket); shared libraries beside the program are
            taken along.
        abis: ABIs that the phone runs, its favourite first.

    Raises:
        OptionError: No program is there, or none for this phone.
    """
    path = Path(path)
    if path.is_dir():
        for program in _places(path, abis):
            if program.is_file():
                path = program
                break
        else:
            raise OptionError(
                f"expected {PROGRAM} in a folder {' or '.join(abis)}, found none in {path}; put "
                "the program there"
            )
    found = read_abi(path)
    if found is not None and found not in abis:
        raise OptionError(
            f"expected a program for {' or '.join(abis)}, found {found} in {path}; give the "
            "benchmark_model of this phone"
        )
    # Libraries of other processors may lie there too.
    beside = (library for library in sorted(path.parent.glob("*.so")) if library.is_file())
    return ToolFiles(path, tuple(lib for lib in beside if read_abi(lib) in (None, *abis)))


def _places(folder: Path, abis: Sequence[str]) -> Iterator[Path]:
    for abi in abis:
        for inside in filter(None, (abi, _BUCKET_FOLDERS.get(abi))):
            yield from (folder / inside / name for name in _PROGRAMS)
    yield from (folder / name for name in _PROGRAMS)


READY = "device"
# What to do about the states of adb's own list (packages/modules/adb: transport.cpp).
REMEDIES = {
    "unauthorized": "unlock it and accept the prompt for debugging",
    "authorizing": "unlock it and try again",
    "offline": "plug it in again, or run: adb reconnect",
    "no permissions": "give your user access to USB devices (udev rules)",
    "recovery": "start Android on it",
    "sideload": "start Android on it",
    "bootloader": "start Android on it",
}


@dataclass(frozen=True)
class Device:
    """One line of `adb devices -l`.

    Attributes:
        serial: Serial number, or address of a phone in the network.
        state: `device` where it can be used, else `unauthorized`, `offline` ...
        model: Model name; empty where the list does not tell.
    """

    serial: str
    state: str
    model: str = ""


def parse_devices(text: str) -> tuple[Device, ...]:
    """The phones in the text of `adb devices -l`; lines of other kinds are passed over.

    The form is that of adb 29 to 36: a heading, then `SERIAL  STATE  key:value ...` per phone.
    """
    found = []
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith(("*", "List of devices", "adb server")):
            continue
        words = line.split()
        if len(words) < 2:
            continue
        state = "no permissions" if words[1:3] == ["no", "permissions"] else words[1]
        facts = dict(word.split(":", 1) for word in words[2:] if ":" in word)
        found.append(Device(words[0], state.rstrip(";"), facts.get("model", "")))
    return tuple(found)


def choose_devices(devices: Sequence[Device], serials: Sequence[str] = ()) -> tuple[Device, ...]:
    """The phones to measure: those named by `serials`, or the only one.

    Raises:
        OptionError: No phone, several without `serials`, an unknown serial, or one that is not
            ready.
    """
    if not devices:
        raise OptionError(
            "expected a phone, found none connected; connect one, switch USB debugging on and see: "
            "adb devices -l"
        )
    names = ", ".join(device.serial for device in devices)
    if not serials:
        if len(devices) > 1:
            raise OptionError(
                f"expected one phone, found {len(devices)}: {names}; give --serial, also repeatedly"
            )
        chosen = list(devices)
    else:
        known = {device.serial: device for device in devices}
        for serial in serials:
            if serial not in known:
                raise OptionError(f"expected a phone of {names}, found --serial {serial}")
        chosen = [known[serial] for serial in dict.fromkeys(serials)]
    for device in chosen:
        if device.state != READY:
            remedy = REMEDIES.get(device.state, "see: adb devices -l")
            raise OptionError(
                f"expected phone {device.serial} to be ready, found it {device.state}; {remedy}"
            )
    return tuple(chosen)
