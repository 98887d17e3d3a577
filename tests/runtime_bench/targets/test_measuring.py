"""Files on targets: rows, what is missing, what is refused. Machines are stand-ins, or are skipped.

The stand-in for an emulated processor is this one, whose Python a script starts; it may be told to
give wrong codes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import export.running.machines as machines
from export.bundle.arm64_proof import prove_pair
from export.bundle.golden import make_pair
from runtime_bench.targets.measuring import TargetBench
from runtime_bench.targets.tables import COLUMNS, notes_of, row_cells
from runtime_bench.targets.target import TARGETS, choose_targets
from sr_models.ground.errors import ModelFileError, OptionError, TargetError
from sr_models.tflite.files import read_model
from tests.tiny_files import TinyFile, pixel_grid

ROOT = Path(__file__).parents[3]
QEMU = """#!/bin/sh
for last; do :; done
exec {python} -c "import sys; sys.path[:0] = [{root!r}, {folder!r}]; import {module}; \\
import json; path, modules = map(json.loads, sys.argv[1:]); \\
from sr_models.ground.child import serve; serve(modules)" '[]' '[]'
"""
WRONG = """
import export.running.hosted as hosted
run_once = hosted.run_once
def wrong(*contents, **options):
    told = run_once(*contents, **options)
    output = hosted.unpacked(told).copy()
    output.flat[0] ^= 3
    return {**told, **hosted.packed(output)}
hosted.run_once = wrong
"""


@pytest.fixture
def stand_in(tmp_path):
    """A cache whose ARM64 machine is this one."""

    def make(*, wrong=False):
        folder = tmp_path / "cache" / "arm64"
        for part in machines.arm64_parts():
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            (folder / part).touch()
        (folder / "spoiled.py").write_text(WRONG if wrong else "")
        qemu = QEMU.format(
            python=sys.executable, root=str(ROOT), folder=str(folder), module="spoiled"
        )
        (folder / "qemu-aarch64").write_text(qemu)
        (folder / "qemu-aarch64").chmod(0o755)
        machines.write_ready(
            folder,
            parts=machines.arm64_parts(),
            interpreter=machines.interpreter_version(),
        )
        return folder.parent

    return make


def rows_of(file, cache, *patterns, **size):
    with TargetBench(cache) as bench:
        found = bench.measure(read_model(file), choose_targets(patterns), **size)
    return {row.target.name: row for row in found.rows}


def test_targets_are_chosen_by_pattern():
    assert [t.name for t in choose_targets(["*i8mm*"])] == [
        "arm64-i8mm/xnnpack",
        "arm64-i8mm/builtin",
    ]
    assert choose_targets() == list(TARGETS)
    with pytest.raises(OptionError, match="found 'arm65'"):
        choose_targets(["arm65"])


@pytest.mark.parametrize("kind", ["clip_free", "clip_free_int8", "clipped", "floating"])
def test_without_machines_this_processor_is_measured_and_the_others_say_what_to_do(
    kind, files, tmp_path
):
    rows = rows_of(getattr(files, kind), tmp_path)
    ours = [row for row in rows.values() if row.status == "ran"]
    assert [row.target.kernel for row in ours] == ["xnnpack", "builtin", "reference"]
    assert (ours[0].max_abs_code_difference, ours[0].differing_fraction) == (0, 0.0)
    assert ours[0].delegation.partitions == 1 or kind == "clipped"
    missing = [row for row in rows.values() if row.status == "missing"]
    listed = [row for row in rows.values() if row.status == "listed"]
    assert [row.target.processor for row in listed] == [
        "qualcomm",
        "mediatek",
        "samsung",
        "google",
        "intel",
        "mldrift",
    ]
    assert "DEPTH_TO_SPACE" in row_cells(listed[2])[4]
    assert len(missing) == len(TARGETS) - 3 - len(listed)
    said = notes_of(list(rows.values()))
    ends = [line.rpartition("--set-up ")[2] for line in said]
    assert ends == [f"{name} --cache {tmp_path}" for name in ("arm64", "webgpu", "vela")]
    assert all(len(row_cells(row)) == len(COLUMNS) for row in rows.values())


def test_other_processors_are_compared_code_for_code(files, stand_in):
    [row] = rows_of(files.clip_free, stand_in(), "arm64-neon/xnnpack").values()
    assert (row.status, row.max_abs_code_difference) == ("ran", 0)
    [row] = rows_of(files.clip_free, stand_in(wrong=True), "arm64-neon/xnnpack").values()
    assert row.max_abs_code_difference in (1, 3)
    assert row.differing_fraction == 1 / (48 * 48 * 3)


def test_what_emulation_would_take_too_long_for_is_refused(files, stand_in, monkeypatch):
    monkeypatch.setitem(machines._SLOWER, "arm64", 1e9)
    with pytest.raises(TargetError, match="at 24x24; give a smaller --size"):
        rows_of(files.clip_free, stand_in(), "arm64*")


def test_a_file_that_takes_no_picture_is_refused(tmp_path):
    tiny = TinyFile()
    source = tiny.tensor("in", (1, 4), grid=pixel_grid())
    target = tiny.rectifier("RELU", source, pixel_grid())
    (tmp_path / "flat.tflite").write_bytes(tiny.finished([source], [target]))
    with pytest.raises(ModelFileError, match="give a file that takes one picture"):
        rows_of(tmp_path / "flat.tflite", tmp_path)


@pytest.mark.parametrize("wrong", [False, True])
def test_golden_pairs_are_proven_on_every_processor_that_is_there(files, stand_in, wrong, tmp_path):
    content = files.clip_free.read_bytes()
    pair = make_pair(content, height=24, width=24, paths=["xnnpack"])
    assert prove_pair(content, pair, cache=tmp_path) == ()
    proofs = prove_pair(content, pair, cache=stand_in(wrong=wrong))
    assert [proof.cpu.kernels for proof in proofs] == ["neon", "dotprod", "i8mm"]
    assert all((proof.found.max_abs_code_difference > 0) == wrong for proof in proofs)


def test_a_machine_whose_python_does_not_start_is_one_line(files, stand_in):
    cache = stand_in()
    (cache / "arm64" / "qemu-aarch64").write_text("#!/bin/sh\nexit 4\n")
    with pytest.raises(TargetError, match="status 4; set it up once more, run: sr-bench targets"):
        rows_of(files.clip_free, cache, "arm64-neon/xnnpack")
