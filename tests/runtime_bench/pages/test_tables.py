from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.running.runtimes import Delegation
from runtime_bench.comparing.comparison import CodeDifference, FileComparison
from runtime_bench.evidence.calibration import ObserverTiming
from runtime_bench.evidence.training import TrainingSpeed
from runtime_bench.measuring.latency import Latency
from runtime_bench.measuring.machine import Machine
from runtime_bench.measuring.profile import Profile, TimedOperator
from runtime_bench.measuring.quality import ImageQuality, QualityResult
from runtime_bench.measuring.statistics import Comparison, summarize
from runtime_bench.pages.tables import (
    gate_rows,
    nodes_text,
    place_text,
    print_calibration,
    print_comparison,
    print_forms,
    print_latency,
    print_profiles,
    print_quality,
    print_training,
    protocol_lines,
    scatter_lines,
    short_names,
)
from sr_models.ground.metrics import Quality

parts = st.sampled_from(["a", "b", "model.tflite"])
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)


def latency(model="out/new.tflite", samples=(1.0, 2.0, 3.0), delegation=None):
    return Latency(
        model=model,
        sha256="0" * 64,
        size_bytes=1000,
        delegate="xnnpack",
        threads=2,
        runtime="fake 1.0",
        input_shape=(1, 4, 4, 3),
        samples_ms=samples,
        summary=summarize(samples),
        init_ms=0.5,
        first_ms=9.0,
        delegation=delegation,
    )


def rated(model="out/new.tflite", rgb_db=30.0, dataset="Set5"):
    raw, dequantized = Quality(rgb_db, 31.234, 0.91239), Quality(33.0, 34.0, 0.95)
    return QualityResult(model, dataset, 3, "xnnpack", (ImageQuality("a", raw, dequantized),))


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["out/model.tflite"], ["model.tflite"]),
        (["a/x.tflite", "a/y.tflite"], ["x.tflite", "y.tflite"]),
        (["a/m.tflite", "b/m.tflite"], ["a/m.tflite", "b/m.tflite"]),
        (["z/a/m.tflite", "z/b/m.tflite"], ["a/m.tflite", "b/m.tflite"]),
        (["m.tflite", "a/m.tflite"], ["m.tflite", "a/m.tflite"]),
        (["./m.tflite", "m.tflite"], ["./m.tflite", "m.tflite"]),
        (["/m.tflite"], ["m.tflite"]),
        (["<bytes>"], ["<bytes>"]),
        (["a/m.tflite", "a/m.tflite"], ["m.tflite", "m.tflite"]),
        ([], []),
    ],
)
def test_names_are_as_short_as_they_can_be(names, short):
    found = short_names(names)
    assert [found[name] for name in names] == short


@given(st.lists(paths, max_size=5))
def test_short_names_tell_files_apart(names):
    found = short_names(names)
    assert set(found) == set(names)
    assert len(set(found.values())) == len(set(names))
    for name, short in found.items():
        assert Path(name).parts[-len(Path(short).parts) :] == Path(short).parts


def test_nodes():
    assert nodes_text(4, 6, 1) == "4/6 in 1"
    assert nodes_text(0, 6, 0) == "0/6 in 0"
    assert nodes_text(None, None, None) == "?"


def test_latency_rows(capsys):
    print_latency([latency(), latency("out/old.tflite", delegation=Delegation(4, 6, 1, ()))])
    out = capsys.readouterr().out
    assert "new.tflite" in out and "old.tflite" in out and "out/" not in out
    assert "4/6 in 1" in out and "?" in out
    # Median 2, 5th and 95th percentile 1.1 and 2.9, cold 9, opening 0.5.
    for figure in ("2.0", "1.1", "2.9", "9.0", "0.5"):
        assert figure in out


def test_what_is_left_behind_is_named_for_delegates_alone(capsys):
    left = Delegation(3, 6, 2, ("QUANTIZE", "ADD", "QUANTIZE"))
    print_latency([latency(delegation=left)])
    assert "2 QUANTIZE, ADD" in capsys.readouterr().out
    print_latency([replace(latency(delegation=left), delegate="builtin")])
    assert "QUANTIZE" not in capsys.readouterr().out


def test_memory_is_shown_where_it_was_measured(capsys):
    print_latency([latency()])
    assert "MiB" not in capsys.readouterr().out
    print_latency([latency(), replace(latency("b"), peak_memory_mb=12.34)])
    out = capsys.readouterr().out
    assert "peak MiB" in out and "12.3" in out


def test_runs_that_scatter_are_warned_about():
    quiet, wild = (
        replace(latency(name), summary=summarize(samples))
        for name, samples in (("a", [1.0] * 20 + [9.0]), ("b", [1.0] * 10 + [9.0] * 10))
    )
    (line,) = scatter_lines([quiet, wild])
    assert line.startswith("warning: b, xnnpack") and "9.0 times the 5th" in line


def test_operators_are_shown_by_time(capsys):
    slow = TimedOperator("CONV_2D", "Convolution (X)", True, 0, 1, "last;x", 4, 6, 9, 9, 8, 9, 90)
    unknown = TimedOperator("Copy", "Copy", True, 1, None, "", None, None, 1.0, 1, 1, 1, 10)
    print_profiles([latency(), replace(latency(), profile=Profile((unknown, slow), 7, 10.5, 0.5))])
    out = capsys.readouterr().out
    assert "7 profiled runs of 10.50 ms" in out and "4x6" in out and "last " in out
    assert out.index("CONV_2D") < out.index("Copy") and "xnnpack 1" in out
    print_profiles([latency()])
    assert capsys.readouterr().out == ""
    assert (place_text("xnnpack", False, None), place_text("gpu", True, None)) == ("builtin", "gpu")


def test_quality_rows(capsys):
    print_quality([rated(), rated(rgb_db=float("inf"), dataset="Set14")])
    out = capsys.readouterr().out
    for word in ("Set5", "Set14", "x3", "30.0", "31.23", "0.9124", "33.0", "inf"):
        assert word in out


def comparison(speed, *, gates=(), quality=()):
    return FileComparison(
        latency("out/old.tflite"),
        latency(),
        speed,
        CodeDifference(3, 0.125, 100),
        tuple(quality),
        dict(gates),
    )


def test_faster_is_said_only_where_it_is_significant(capsys):
    print_comparison(comparison(Comparison(1.5, 1.4, 1.6, 0.001, True)))
    assert "faster" in capsys.readouterr().out
    print_comparison(comparison(Comparison(1.5, 0.9, 1.6, 0.2, False)))
    out = capsys.readouterr().out
    assert "no difference shown" in out and "faster" not in out
    assert "at most 3, 12.50%" in out


def test_gates_and_drops_are_shown(capsys):
    print_comparison(
        comparison(
            Comparison(1.5, 1.4, 1.6, 0.001, True),
            gates={"min_speedup": True, "no_clip_ops": False},
            quality=[rated("out/old.tflite", 30.25), rated()],
        )
    )
    out = capsys.readouterr().out
    assert "PSNR drop, Set5" in out and "+0.250 dB RGB" in out
    assert gate_rows({"min_speedup": True, "no_clip_ops": False}) == [
        ["gate min-speedup", "passed"],
        ["gate no-clip-ops", "NOT MET"],
    ]
    assert "NOT MET" in out


def test_calibration_and_forms(capsys):
    print_calibration(ObserverTiming(100, 96, (10.0,), (95.0,), (5.0,)))
    out = capsys.readouterr().out
    assert "9.5" in out and "not installed, pip install ai-edge-quantizer" in out
    print_calibration(ObserverTiming(100, 96, (10.0,), (95.0,), (5.0,), {"profiler": (37.0,)}))
    assert "ai-edge-quantizer (profiler)" in (out := capsys.readouterr().out) and "3.7" in out
    named = {"train": latency(samples=(4.0,)), "deploy": latency(samples=(2.0,))}
    print_forms({2: (named, Comparison(2.0, 1.9, 2.1, 0.2, False))})
    assert "1.900 to 2.100" in capsys.readouterr().out


def test_training(capsys):
    speed = TrainingSpeed("espcn_x3", "espcn", "soap", 16, 32, 50, 7.0778, 125.87, 0.01841)
    print_training([speed])
    row = next(line for line in capsys.readouterr().out.splitlines() if "espcn_x3" in line)
    assert row.replace("│", " ").split() == [
        "espcn_x3",
        "espcn",
        "soap",
        "16",
        "32",
        "50",
        "7.08",
        "125.9",
        "1.84",
    ]


def test_the_protocol_names_machine_and_versions():
    quiet = Machine("A CPU", (), 4, None, 0.1, "Linux 6", "3.11", {"numpy": "2.0", "absent": None})
    lines = protocol_lines(quiet, "fake 1.0")
    assert lines == ["A CPU, 4 core(s), Linux 6; ran on fake 1.0", "Python 3.11, numpy 2.0"]
    busy = Machine("A CPU", (), 4, None, 3.0, "Linux 6", "3.11", {})
    assert protocol_lines(busy, "fake 1.0")[-1].startswith("warning: noisy machine")
