from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.running.runtimes import Delegation
from export.running.statistics import summarize
from runtime_bench.measuring.machine import Machine
from runtime_bench.measuring.profile import Profile, TimedOperator
from runtime_bench.measuring.tables import (
    nodes_text,
    place_text,
    print_latency,
    print_profiles,
    print_quality,
    protocol_lines,
    scatter_lines,
    short_names,
)
from tests.runtime_bench.results import latency, rated

parts = st.sampled_from(["a", "b", "model.tflite"])
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)


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


def test_the_protocol_names_machine_and_versions():
    quiet = Machine("A CPU", (), 4, None, 0.1, "Linux 6", "3.11", {"numpy": "2.0", "absent": None})
    lines = protocol_lines(quiet, "fake 1.0")
    assert lines == ["A CPU, 4 core(s), Linux 6; ran on fake 1.0", "Python 3.11, numpy 2.0"]
    busy = Machine("A CPU", (), 4, None, 3.0, "Linux 6", "3.11", {})
    assert protocol_lines(busy, "fake 1.0")[-1].startswith("warning: noisy machine")
