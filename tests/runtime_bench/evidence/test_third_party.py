import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from export.running.plan import Plan
from export.running.statistics import compare_samples
from runtime_bench.cli import app
from runtime_bench.evidence import third_party
from runtime_bench.evidence.architectures import ARCHITECTURES
from runtime_bench.evidence.third_party import (
    ThirdPartyRow,
    export_file,
    measure_architecture,
    third_party_cells,
)
from sr_models.ground.console import status_of_command
from sr_models.ground.errors import ConversionError


def compared(milliseconds):
    before, after = (np.linspace(ms, ms + 0.1, 25) for ms in (10.0, milliseconds))
    return compare_samples(before, after)


ROW = ThirdPartyRow(
    name="rfdn",
    ops={"CONV_2D": 3},
    baseline_ops={"CONV_2D": 3, "MINIMUM": 1},
    partitions=(1, 2),
    left=(2, 4),
    drop_db=0.0301,
    fidelity_db=48.26,
    seconds=61.7,
    peak_memory_mb=812.3,
    speed={1: compared(8.0), 2: compared(10.0)},
)


def test_a_row_says_what_it_came_from_and_what_it_became():
    columns, (cells,) = third_party_cells([ROW])
    found = dict(zip(columns, cells))
    assert found["partitions"] == "2 → 1" and found["left to the CPU"] == "4 → 2"
    assert (found["INT8 drop, dB"], found["full-range fidelity, dB"]) == ("0.030", "48.3")
    assert (found["export, s"], found["memory, MiB"]) == ("62", "812")
    assert found["speed-up, 1 thread"].startswith("1.25 [") and "speed-up, 2 threads" in found
    assert third_party_cells([replace(ROW, partitions=(1, 1))])[1][0][1] == "1"
    data = json.loads(json.dumps(ROW.to_json()))
    assert (data["partitions"], data["baseline_partitions"]) == (1, 2)
    assert [c["threads"] for c in data["comparisons"]] == [1, 2]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"drop_db": 0.06}, ["rfdn loses 0.060 dB"]),
        ({"drop_db": float("nan")}, ["rfdn loses nan dB"]),
        ({"speed": {1: compared(20.0)}}, ["rfdn is 0.50 times as fast"]),
        ({"speed": {2: compared(20.0)}}, []),
    ],
)
def test_what_is_not_as_it_should_be(changed, said):
    assert replace(ROW, **changed).failures() == said


def test_the_gate_decides_on_the_exit_status(tmp_path, monkeypatch, capsys):
    def run(*options):
        return status_of_command(
            app, ("evidence", "third-party", "rfdn", "--out", tmp_path, *options)
        )

    made = iter([ROW, replace(ROW, drop_db=1.0), replace(ROW, drop_db=1.0)])
    monkeypatch.setattr(third_party, "measure_architecture", lambda *_, **__: next(made))
    table = tmp_path / "table.md"
    assert run("--require", "--markdown", table) == 0
    assert table.read_text().startswith("| network | partitions |")
    assert run() == 0
    assert run("--require") == 1
    assert "rfdn loses 1.000 dB" in capsys.readouterr().err
    assert run("--fit-seconds", "0") == 2


def test_an_unknown_architecture_is_answered_with_the_nearest(tmp_path, capsys):
    status = status_of_command(app, ("evidence", "third-party", "rfdm", "--out", tmp_path))
    assert status == 2 and "rfdn" in capsys.readouterr().err


def test_an_export_that_is_refused_says_why(tmp_path):
    """For a fault that is answered before TensorFlow is imported."""
    source = tmp_path / "none.keras"
    source.write_bytes(b"no network")
    with pytest.raises(
        ConversionError, match=r"expected an export of none\.keras, found: .*a size such as"
    ):
        export_file(source, tmp_path / "out", size="24")


@pytest.mark.slow
def test_an_architecture_is_measured_from_its_source_to_its_file(tmp_path, monkeypatch):
    """The export of a real one takes a minute: another recipe stands in for the default one."""
    quick = "import sys; sys.argv += ['--method', 'natural', '--pictures', '4']; "
    run = third_party.subprocess.Popen

    def popen(command, **options):
        code = quick + command[2]
        return run([sys.executable, "-c", code, *command[3:]], **options)

    monkeypatch.setattr(third_party.subprocess, "Popen", popen)
    row = measure_architecture(
        ARCHITECTURES["bicubic_plus_plus"],
        tmp_path,
        size="32x48",
        threads=[1],
        plan=Plan(runs=9, warmup=1),
        fit_seconds=0.1,
        width=8,
    )
    assert (row.partitions, row.left[0]) == ((1, 1), 2)
    assert row.ops["LEAKY_RELU"] == row.baseline_ops["LEAKY_RELU"] == 3
    assert row.fidelity_db > 20.0 and row.seconds > 0.0 and row.peak_memory_mb > 100.0
    assert list(row.speed) == [1]
