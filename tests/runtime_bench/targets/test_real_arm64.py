"""On emulated ARM64 processors, where `sr-bench targets --set-up arm64` has run."""

from __future__ import annotations

import fcntl
import os
import time

import numpy as np
import pytest

from export.running.hosted import unpacked
from export.running.machines import cache_folder, find_machine
from representative_data.observation import observe_ranges, pin_pixels
from runtime_bench.targets.measuring import Fed, TargetBench
from runtime_bench.targets.target import choose_targets
from sr_models.ground.errors import TargetError
from sr_models.quantization.integer_network import simulate_builtin
from sr_models.tflite.files import read_model
from tests.networks import sharpening_network

# Those of today's phones. Each takes 17 s of processor time to start, so that the third, with NEON
# alone, is left to `sr-bench targets`.
PROCESSORS = ("arm64-dotprod", "arm64-i8mm")


def chosen(kernels: str) -> list:
    """Targets of these processors."""
    return choose_targets([f"{name}/{kernels}" for name in PROCESSORS])


def wait_for_a_set_up(seconds: float = 150.0) -> None:
    """Wait while a set-up is at work in the background, as `.ci/run` has one; it holds a lock."""
    lock = cache_folder() / ".lock"
    end = time.monotonic() + seconds
    while lock.exists() and time.monotonic() < end:
        try:
            with lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return
        except OSError:
            time.sleep(0.5)


@pytest.fixture(scope="module")
def bench():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SR_TARGETS", os.environ["SR_REAL_TARGETS"])
        wait_for_a_set_up()
        try:
            cache = find_machine("arm64").parent
        except TargetError as error:
            pytest.skip(str(error))
        with TargetBench(cache) as found:
            yield found


@pytest.mark.slow
def test_xnnpack_gives_the_codes_that_it_gives_here(files, bench):
    for file in (files.clip_free, files.clip_free_int8, files.clipped):
        rows = bench.measure(read_model(file), chosen("xnnpack")).rows
        assert [row.max_abs_code_difference for row in rows] == [0, 0]


@pytest.mark.slow
def test_no_code_of_builtin_kernels_differs_from_the_simulation(files, bench, calibration_set):
    model = sharpening_network()
    ranges = pin_pixels(observe_ranges(model, calibration_set), model)
    fed = Fed.of(read_model(files.clip_free), height=24, width=24)
    expected = simulate_builtin(model, ranges, arm64=True)(fed.codes)
    for target in chosen("builtin"):
        np.testing.assert_array_equal(unpacked(bench._run_emulated(fed, target)), expected)
