"""A small share of what `python -m tests.sr_models.importing.fuzz` does."""

import os
import signal

import numpy as np
import pytest

from tests.sr_models.importing import fuzz
from tests.sr_models.importing.fuzz import attempt, mutated, seed_files

SHARES = {"onnx": 60, "pb": 25}


@pytest.mark.parametrize("kind", SHARES)
def test_damaged_files_are_read_or_refused_in_one_line(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seeds, outcomes = seed_files(kind), set()
    for number in range(SHARES[kind]):
        path = tmp_path / f"net.{kind}"
        path.write_bytes(mutated(kind, seeds, np.random.default_rng([1, number])))
        outcomes.add(attempt(kind, path))
        assert [inside.name for inside in tmp_path.iterdir()] == [path.name]
    # It gets past the door: some are networks still, others are refused for what is in them.
    assert "read" in outcomes and len(outcomes) > 2, outcomes


def test_the_fuzzer_finds_a_planted_fault(tmp_path, monkeypatch):
    def careless(*_):
        raise IndexError("list index out of range")

    monkeypatch.setattr(fuzz, "_read", careless)
    with pytest.raises(IndexError):
        attempt("onnx", tmp_path / "net.onnx")
    monkeypatch.setattr(fuzz, "_read", lambda *_: fuzz._too_slow(signal.SIGPROF, None))
    with pytest.raises(AssertionError, match="more than 20 seconds"):
        attempt("onnx", tmp_path / "net.onnx")


def test_what_is_said_by_the_way_is_a_fault(tmp_path):
    with pytest.raises(AssertionError, match="said b'a word"), fuzz.silence(tmp_path / "words"):
        os.write(2, b"a word")  # As a library of C++ does.


def test_the_same_number_makes_the_same_file():
    seeds = seed_files("onnx")
    first, again, other = (
        mutated("onnx", seeds, np.random.default_rng([0, number])) for number in (5, 5, 6)
    )
    assert first == again != other
