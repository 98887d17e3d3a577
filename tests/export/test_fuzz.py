"""A small share of what `python -m tests.export.fuzz` does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tests.export.fuzz
from export.inspecting.inspection import inspect_model
from sr_models.ground.errors import ModelFileError
from tests.export.fuzz import attempt, mutated, seed_files

SEEDS = seed_files()


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_damaged_files_are_stripped_or_refused_in_one_line(sandbox, seed):
    assert attempt(mutated(SEEDS, np.random.default_rng(seed)), sandbox)


@settings(max_examples=100)
@given(st.sampled_from(SEEDS), st.data())
def test_any_bytes_in_the_place_of_some_are_read_or_refused(content, data):
    start = data.draw(st.integers(0, len(content)))
    planted = data.draw(st.binary(max_size=24))
    try:
        inspect_model(content[:start] + planted + content[start + len(planted) :])
    except ModelFileError as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=200))
def test_any_bytes_with_the_mark_of_a_model_are_refused(content):
    with pytest.raises(ModelFileError):
        inspect_model(content[:4].ljust(4, b"\0") + b"TFL3" + content[4:])


def test_the_fuzzer_does_get_past_the_reader(sandbox):
    outcomes = {
        attempt(mutated(SEEDS, np.random.default_rng([3, number])), sandbox) for number in range(60)
    }
    assert {"stripped", "refused (damaged)", "refused (cannot go)"} <= outcomes


def test_the_fuzzer_finds_a_planted_fault(sandbox, monkeypatch):
    def careless(*_, **__):
        raise IndexError("list index out of range")

    monkeypatch.setattr(tests.export.fuzz, "strip_model", careless)
    with pytest.raises(IndexError):
        attempt(SEEDS[0], sandbox)


def test_the_same_number_makes_the_same_file():
    first, again, other = (mutated(SEEDS, np.random.default_rng([0, n])) for n in (5, 5, 6))
    assert first == again != other


def test_a_bound_without_its_constant_is_no_clip(sandbox):
    """An optional input of -1 in place of the constant, which the fuzzer found."""
    assert attempt(mutated(SEEDS, np.random.default_rng(937)), sandbox)
