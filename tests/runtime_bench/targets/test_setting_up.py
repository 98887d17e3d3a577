"""Machines set up: once, whole or not at all, and again where they are broken.

What is fetched is a stand-in: apt and pip are asked by one test each, where they fail.
"""

from __future__ import annotations

import fcntl
import io
import tarfile
import zipfile

import pytest

import runtime_bench.targets.debian as debian
import runtime_bench.targets.setting_up as setting_up
from export.running.machines import find_machine, write_ready
from runtime_bench.cli import app
from runtime_bench.targets.debian import Debian
from runtime_bench.targets.setting_up import SetUp
from runtime_bench.targets.wheels import fetch_wheels, unzip
from sr_models.ground.child import Crash
from sr_models.ground.console import status_of_command
from sr_models.ground.errors import OutputError, TargetError


@pytest.fixture
def made(monkeypatch):
    """A machine of one file, and how often it was made and tried."""
    counts = {"made": 0, "tried": 0, "fails": None}

    def make(_, folder):
        counts["made"] += 1
        (folder / "part").write_text("a")
        if isinstance(counts["fails"], BaseException):
            raise counts["fails"]
        write_ready(folder, parts=("part",), interpreter=None)

    def attempt(folder):
        counts["tried"] += 1
        if (folder / "part").read_text() != "a":
            raise Crash("the interpreter left with status 1")

    monkeypatch.setattr(setting_up, "MACHINES", {"vela": (make, attempt)})
    return counts


def test_a_machine_is_made_once_and_then_only_tried(made, tmp_path):
    assert SetUp(tmp_path)("vela")
    assert not SetUp(tmp_path)("vela")
    assert made == {"made": 1, "tried": 2, "fails": None}


@pytest.mark.parametrize("harm", ["hole", "rot", "half"])
def test_a_broken_machine_is_made_again(made, tmp_path, harm):
    SetUp(tmp_path)("vela")
    part = tmp_path / "vela" / "part"
    if harm == "rot":
        part.write_text("b")
    else:
        (part if harm == "hole" else part.with_name("ready.json")).unlink()
    assert SetUp(tmp_path)("vela")
    assert part.read_text() == "a" and find_machine("vela", tmp_path)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TargetError("no network")])
def test_what_ends_in_the_middle_leaves_nothing_but_downloads(made, tmp_path, error):
    made["fails"] = error
    (tmp_path / ".vela.partial-of-a-kill").mkdir()
    with pytest.raises(type(error)):
        SetUp(tmp_path)("vela")
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_two_set_ups_of_one_cache_do_not_meet(made, tmp_path):
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TargetError, match="another set-up at work"):
            SetUp(tmp_path)("vela")


def test_a_cache_that_cannot_be_written_is_said(made, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        SetUp(tmp_path / "file")("vela")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "expected files or --set-up, found neither"),
        (("--set-up", "phone"), "expected a machine of arm64, webgpu, vela, found 'phone'"),
        (("none.tflite",), "no such file"),
        (("a.tflite", "--target", "amiga"), "found 'amiga'"),
        (("a.tflite", "--size", "large"), "expected a size such as 360x640"),
        (("a.tflite", "--target", "ethos-u55-256"), "run: sr-bench targets --set-up vela"),
    ],
)
def test_wrong_usage_is_one_line_and_status_two(words, said, files, tmp_path, monkeypatch, capsys):
    (tmp_path / "a.tflite").write_bytes(files.clip_free.read_bytes())
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    status = status_of_command(app, ["targets", *words, "--cache", "cache", "--json", "out.json"])
    told = capsys.readouterr().err
    assert (status, told.count("\n")) == (2, 1) and said in told
    assert set(tmp_path.iterdir()) == before


def test_a_mirror_that_does_not_answer_is_one_line(tmp_path):
    try:
        machine = Debian(tmp_path, architecture="arm64", mirror="file:///no/such/mirror/")
    except TargetError as error:
        pytest.skip(str(error))
    with pytest.raises(TargetError, match="arm64 packages from file:///no/such/mirror/, found: "):
        machine.fetch(["python3"], lambda *_: None)


def test_a_package_that_the_index_lacks_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(TargetError, match="index, found: No matching distribution"):
        fetch_wheels(["no-such-package"], tmp_path / "wheels")


def test_a_damaged_package_is_removed_to_be_fetched_again(tmp_path):
    wheel = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as files:
        files.writestr("a/__init__.py", "")
    unzip([wheel], tmp_path / "site")
    assert (tmp_path / "site/a/__init__.py").exists()
    wheel.write_bytes(wheel.read_bytes()[:20])
    with pytest.raises(TargetError, match=r"found a-1-py3-none-any\.whl damaged"):
        unzip([wheel], tmp_path / "site")
    assert not wheel.exists()


def test_packages_are_unpacked_where_their_files_belong(tmp_path, monkeypatch):
    """`/lib` is a link into `/usr` in today's Debian; packages may name either."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as files:
        for name in ("./lib/a.so", "./usr/bin/tool"):
            member = tarfile.TarInfo(name)
            member.size = 1
            files.addfile(member, io.BytesIO(b"a"))
    (tmp_path / "tar").write_bytes(content.getvalue())
    program = tmp_path / "bin" / "dpkg-deb"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/tar\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    debian.unpack([tmp_path / "a.deb"], tmp_path / "root")
    assert (tmp_path / "root/usr/lib/a.so").read_bytes() == b"a"
    debian.take_member(tmp_path / "a.deb", "usr/bin/tool", tmp_path / "tool")
    assert (tmp_path / "tool").read_bytes() == b"a"
    with pytest.raises(TargetError, match="damaged"):
        debian.take_member(tmp_path / "a.deb", "usr/bin/none", tmp_path / "none")
