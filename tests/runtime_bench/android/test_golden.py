"""Golden pairs of a bundle on a phone, against a phone that really runs files."""

from __future__ import annotations

import numpy as np
import pytest

from export.bundle.golden import Tolerance, make_pair
from runtime_bench.android.golden import Golden, PhoneGolden
from runtime_bench.android.run import measure_phones, plan_job
from runtime_bench.android.tool import ToolRun
from tests.runtime_bench.android.fakes import FakeAdb
from tests.runtime_bench.android.test_quality import runs_for_real

EXACT = Tolerance(0, 0.0)


@pytest.fixture
def measured(files, program):
    def make(planted=0, allowed=EXACT, **proofs):
        pair = make_pair(files.clip_free.read_bytes(), height=24, width=24, paths=["xnnpack"])
        entry = {"tolerance": {"builtin": allowed.to_json()}, **proofs}
        goldens = {str(files.clip_free): Golden(pair.input, pair.output, entry)}
        job = plan_job(
            [files.clip_free], threads=(1,), run=ToolRun(), tool=program, goldens=goldens
        )
        (outcome,) = measure_phones(FakeAdb(on_run=runs_for_real(planted)), job)
        assert outcome.error == ""
        return outcome.golden

    return make


def test_the_same_kernels_reproduce_a_pair(measured):
    (row,) = measured()
    assert row.passed and row.found == EXACT
    assert row.serial == "P1"


def test_a_code_that_differs_on_the_phone_fails_it(measured):
    (row,) = measured(planted=4)
    assert not row.passed
    assert row.found == Tolerance(4, 1 / (48 * 48 * 3))
    assert "clip_free.tflite with xnnpack on P1 differs" in str(row)
    (row,) = measured(planted=4, allowed=Tolerance(4, 0.1))
    assert row.passed and row.to_json()["passed"]


@pytest.mark.parametrize(("off", "passed"), [((0, 0, 0), False), ((0, 1, 0), True)])
def test_xnnpack_may_not_differ_where_arm64_processors_did_not(measured, off, passed):
    proofs = [{"cpu": "a", "kernel": "neon", "max_abs_code_difference": by} for by in off]
    (row,) = measured(planted=4, allowed=Tolerance(4, 0.1), arm64=proofs)
    assert row.passed == passed


def test_files_without_a_pair_are_timed_alone(files, program):
    job = plan_job([files.clip_free], threads=(1,), run=ToolRun(), tool=program)
    (outcome,) = measure_phones(FakeAdb(), job)
    assert outcome.golden == () and len(outcome.results) == 1


def test_a_row_says_how_far_it_is_off():
    row = PhoneGolden("a/model.tflite", "P1", "gpu", Tolerance(9, 0.5), Tolerance(4, 0.25))
    assert str(row) == (
        "model.tflite with gpu on P1 differs from its golden output by up to 9 codes at 50.00% of "
        "the pixels, allowed are 4 at 25.00%"
    )
    assert np.isclose(row.to_json()["found"]["differing_fraction"], 0.5)
