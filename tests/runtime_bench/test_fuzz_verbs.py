"""A small share of what `python -m tests.runtime_bench.fuzz_verbs` does."""

import numpy as np
import pytest

from sr_models.ground.child import Sandbox
from tests.export.fuzz import mutated
from tests.runtime_bench.fuzz_verbs import (
    attempt,
    failures_of,
    file_with_odd_name,
    seed_files,
    try_verbs,
)

SEEDS = seed_files()


@pytest.mark.slow
def test_no_verb_ends_in_a_traceback():
    with Sandbox("tests.runtime_bench.fuzz_verbs", memory_mb=2048) as sandbox:
        for number in range(24):
            found = attempt(mutated(SEEDS, np.random.default_rng([7, number])), sandbox)
            assert not failures_of(found), number


def test_whole_files_go_through_every_verb():
    assert set(try_verbs(SEEDS[0]).values()) <= {"done", "gate"}


def test_a_fault_of_a_verb_is_found(monkeypatch):
    def careless(*_, **__):
        raise IndexError("list index out of range")

    monkeypatch.setattr("runtime_bench.upscaling.run.open_upscaler", careless)
    assert failures_of(try_verbs(SEEDS[0]))[0].startswith("upscale: IndexError: list index")


@pytest.mark.parametrize("place", ["tensor", "graph", "key", "entry"])
def test_names_that_are_no_text_are_read_and_run(place):
    """Latin-1 in a name, which the interpreter's Python side cannot decode."""
    assert set(try_verbs(file_with_odd_name(place)).values()) <= {"done", "gate"}
