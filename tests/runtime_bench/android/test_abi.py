import struct

import pytest

from runtime_bench.android.devices import ToolFiles, choose_tool, read_abi
from sr_models.ground.errors import OptionError


def elf(machine: int, *, order="<") -> bytes:
    """The first 20 bytes of an ELF program (gABI: e_ident, e_type, e_machine)."""
    ident = b"\x7fELF" + bytes([2, 1 if order == "<" else 2, 1]) + bytes(9)
    return ident + struct.pack(f"{order}HH", 3, machine)


@pytest.mark.parametrize(
    ("content", "abi"),
    [
        (elf(183), "arm64-v8a"),
        (elf(40), "armeabi-v7a"),
        (elf(62), "x86_64"),
        (elf(3), "x86"),
        (elf(183, order=">"), "arm64-v8a"),
        (elf(9999), None),
        (b"#!/bin/sh\necho a script that is long enough\n", None),
        (b"\x7fELF", None),
        (b"", None),
    ],
)
def test_the_abi_is_read_from_the_header(content, abi, tmp_path):
    (tmp_path / "program").write_bytes(content)
    assert read_abi(tmp_path / "program") == abi


def test_this_python_is_of_this_machine():
    import platform
    import sys

    names = {"x86_64": "x86_64", "aarch64": "arm64-v8a"}
    if platform.machine() not in names:
        pytest.skip(f"no Android ABI for {platform.machine()}")
    assert read_abi(sys.executable) == names[platform.machine()]


def test_a_program_for_another_processor_is_refused(tmp_path):
    path = tmp_path / "benchmark_model"
    path.write_bytes(elf(62))
    with pytest.raises(OptionError, match="expected a program for arm64-v8a, found x86_64"):
        choose_tool(path, ["arm64-v8a"])
    assert choose_tool(path, ["x86_64", "x86"]) == ToolFiles(path)


def test_the_phones_favourite_abi_is_taken_from_a_folder(tmp_path):
    for abi, machine in {"x86": 3, "arm64-v8a": 183, "armeabi-v7a": 40}.items():
        (tmp_path / abi).mkdir()
        (tmp_path / abi / "benchmark_model").write_bytes(elf(machine))
    (tmp_path / "arm64-v8a" / "libGpu.so").write_bytes(b"")
    found = choose_tool(tmp_path, ["riscv64", "arm64-v8a", "armeabi-v7a"])
    assert found.program == tmp_path / "arm64-v8a" / "benchmark_model"
    assert found.libraries == (tmp_path / "arm64-v8a" / "libGpu.so",)
    with pytest.raises(OptionError, match="in a folder riscv64, found none"):
        choose_tool(tmp_path, ["riscv64"])


@pytest.mark.parametrize(
    "place", ["android_arm64/benchmark_model", "benchmark_litert_model", "benchmark_model"]
)
def test_folders_as_people_have_them_are_taken(place, tmp_path):
    """As in Google's bucket, as built from source, and as downloaded."""
    program = tmp_path / "2.2.0" / place
    program.parent.mkdir(parents=True)
    program.write_bytes(elf(183))
    (program.parent / "libLiteRtDispatch_Qualcomm.so").write_bytes(elf(183))
    (program.parent / "libOfThisComputer.so").write_bytes(elf(62))
    found = choose_tool(tmp_path / "2.2.0", ["arm64-v8a", "armeabi-v7a"])
    assert found.program == program
    assert [library.name for library in found.libraries] == ["libLiteRtDispatch_Qualcomm.so"]
    assert choose_tool(program, ["arm64-v8a"]) == found
    told = found.describe()
    assert (told.name, told.release, len(told.sha256)) == (f"2.2.0/{place}", "2.2.0", 64)
    with pytest.raises(OptionError, match="expected a program for x86_64, found arm64-v8a"):
        choose_tool(program, ["x86_64"])


def test_a_program_without_a_release_has_its_name_alone(program):
    told = ToolFiles(program).describe()
    assert (told.name, told.release) == ("benchmark_model", "")


def test_a_missing_program_is_said(tmp_path):
    with pytest.raises(OptionError, match="no such file or directory"):
        choose_tool(tmp_path / "none", ["x86"])
