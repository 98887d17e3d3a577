"""Where machines lie, and what is said of those that are missing, broken or of another time."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from export.running.hosted import run_once, unpacked
from export.running.interpreters import open_model
from export.running.machines import (
    CPUS,
    READY,
    arm64_sandbox,
    cache_folder,
    cpuinfo,
    find_machine,
    interpreter_version,
    too_slow,
    write_ready,
)
from sr_models.ground.child import Crash
from sr_models.ground.errors import TargetError
from tests.tiny_files import clipped_file


def test_machines_lie_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("SR_TARGETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "clip-free-sr" / "targets"
    monkeypatch.setenv("SR_TARGETS", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


@pytest.fixture
def machine(tmp_path):
    folder = tmp_path / "arm64"
    (folder / "site").mkdir(parents=True)
    write_ready(folder, parts=("site",), interpreter=interpreter_version())
    return folder


def spoil(folder, how):
    if how == "absent":
        (folder / READY).unlink()
        (folder / "site").rmdir()
        folder.rmdir()
    elif how == "half":
        (folder / READY).unlink()
    elif how == "garbage":
        (folder / READY).write_text("[]")
    elif how == "hole":
        (folder / "site").rmdir()
    else:
        told = json.loads((folder / READY).read_text())
        (folder / READY).write_text(json.dumps({**told, "interpreter": "1.0"}))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("absent", "found none"),
        ("half", "found no ready.json"),
        ("garbage", "found no ready.json"),
        ("hole", "found no site"),
        ("old", "found one for 1.0"),
    ],
)
def test_what_is_wrong_with_a_machine_is_one_line_with_the_remedy(machine, how, said, monkeypatch):
    assert find_machine("arm64", machine.parent) == machine
    spoil(machine, how)
    with pytest.raises(TargetError, match=said) as told:
        find_machine("arm64", machine.parent)
    place = machine.parent
    assert str(told.value).endswith(f"; run: sr-bench targets --set-up arm64 --cache {place}")
    monkeypatch.setenv("SR_TARGETS", str(place))
    with pytest.raises(TargetError, match=r"; run: sr-bench targets --set-up arm64$"):
        find_machine("arm64")


def test_each_processor_tells_the_features_that_its_kernels_ask_for():
    features = {
        cpu.kernels: cpuinfo(cpu).split("Features\t: ")[1].splitlines()[0].split() for cpu in CPUS
    }
    assert "asimddp" not in features["neon"] and "asimddp" in features["dotprod"]
    assert "i8mm" not in features["dotprod"] and "i8mm" in features["i8mm"]
    assert cpuinfo(CPUS[0]).count("processor\t:") == 2


def test_long_runs_are_estimated():
    assert too_slow(0.1, "arm64") == 0 and too_slow(10, "arm64") > 600
    assert too_slow(1000, "") == 0


def test_a_file_is_run_elsewhere_as_here(sandbox):
    content = clipped_file("MINIMUM", "RELU", "DEPTH_TO_SPACE")
    runner = open_model(content)
    source = runner.inputs[0]
    codes = np.arange(np.prod(source.shape), dtype=source.dtype).reshape(source.shape)
    told = sandbox.call(run_once, content, codes.tobytes(), delegate="xnnpack")
    assert np.array_equal(unpacked(told), runner.run(codes))
    assert told["delegation"] == runner.delegation.to_json()


def test_a_machine_that_does_not_start_is_a_crash(machine):
    """Its qemu is a program that fails at once."""
    (machine / "qemu-aarch64").write_text(f"#!{sys.executable}\nraise SystemExit(3)\n")
    (machine / "qemu-aarch64").chmod(0o755)
    with arm64_sandbox(machine, CPUS[0]) as child, pytest.raises(Crash, match="status 3"):
        child.call(int)
