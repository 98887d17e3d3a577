"""Small `.tflite` files of every kind that is measured, made by the export package."""

from __future__ import annotations

import json
import types
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.exporting.conversion import convert_float, convert_with_calibrator, convert_with_ranges
from export.running.interpreters import Tensor
from export.running.plan import Plan
from export.running.runtimes import Delegation
from representative_data.cfqp import build_natural_dataset
from representative_data.observation import observe_ranges, pin_pixels
from representative_data.tiles import load_tiles
from runtime_bench.android.run import measure_phones, plan_job
from runtime_bench.android.tool import ToolRun
from runtime_bench.cli import app
from runtime_bench.comparing.comparison import compare_entries
from runtime_bench.comparing.crops import take_crops
from runtime_bench.comparing.gates import Gates
from runtime_bench.history.history import new_entries
from runtime_bench.history.trend import trends
from runtime_bench.measuring.latency import measure_latency, open_entries
from runtime_bench.measuring.machine import Machine
from runtime_bench.measuring.profile import profile_file
from runtime_bench.measuring.quality import find_datasets
from sr_models.ground.console import json_text, status_of_command
from sr_models.tflite.files import ModelFile
from tests.networks import sharpening_network
from tests.runtime_bench.android import texts
from tests.runtime_bench.android.fakes import FakeAdb

SIZE = {"height": 24, "width": 24}
MACHINE = Machine("A CPU", (), 2, None, 0.0, "Linux", "3.11", {"numpy": "2.0"}).to_json()


@pytest.fixture(scope="session")
def calibration_set(picture_folder):
    """Natural calibration pictures, on which the sharpening network leaves [0, 1]."""
    tiles = load_tiles(picture_folder, scale=2, count=6, side=24)
    return build_natural_dataset(sharpening_network(), tiles, network="sharpening", scale=2)


@pytest.fixture(scope="session")
def files(calibration_set, once) -> types.SimpleNamespace:
    """Paths of x2 files of one network at 24x24 pixels; not to be written to.

    `clip_free` and `clip_free_int8` keep the pixel contract, `clipped` keeps it with clip
    operators, `natural` is clip-free but breaks the contract, `floating` is float32.
    """
    folder = once("bench_files", lambda folder: write_files(folder, calibration_set))
    return types.SimpleNamespace(**{path.stem: path for path in folder.iterdir()})


def write_files(folder: Path, calibration_set) -> None:
    clip_free, clipped = sharpening_network(), sharpening_network(tail="clip")
    ranges = pin_pixels(observe_ranges(clip_free, calibration_set), clip_free)
    sample = calibration_set.pictures[0]
    contents = {
        "clip_free": convert_with_ranges(clip_free, ranges, sample=sample, **SIZE),
        "clip_free_int8": convert_with_ranges(clip_free, ranges, sample=sample, io="int8", **SIZE),
        "clipped": convert_with_calibrator(clipped, calibration_set, **SIZE),
        "natural": convert_with_calibrator(clip_free, calibration_set, **SIZE),
        "floating": convert_float(clip_free, **SIZE),
    }
    for name, content in contents.items():
        (folder / f"{name}.tflite").write_bytes(content)


@pytest.fixture(scope="session")
def ground_truth(photographs, tmp_path_factory) -> Path:
    """A folder with two datasets: `first` of two pictures, `second` of one; of odd sizes."""
    folder = tmp_path_factory.mktemp("ground_truth")
    for dataset, name, side in (
        ("first", "astronaut", 61),
        ("first", "chelsea", 48),
        ("second", "coffee", 54),
    ):
        (folder / dataset).mkdir(exist_ok=True)
        crop = photographs[name][60 : 60 + side, 120:180]
        Image.fromarray(crop).save(folder / dataset / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def result_parts(files, ground_truth, tmp_path_factory) -> dict:
    """What each verb writes, as it comes back from JSON, and a history."""
    plan = Plan(runs=5, warmup=0)
    timed = [
        replace(found, profile=profile_file(found.model, plan, height=24, width=24))
        for found in measure_latency([str(files.clipped), str(files.clip_free)], plan)
    ]
    datasets = find_datasets(ground_truth)
    entries = open_entries([files.clipped, files.clip_free], delegates=["builtin"])
    compared = compare_entries(
        *entries, plan, datasets=datasets, gates=Gates(max_psnr_drop_db=1.0, no_clip_ops=True)
    )
    crops = take_crops([entry.runner for entry in entries], datasets, count=1)
    rows = [found.to_json() for found in timed]
    kept = [{**row, "samples_ms": list(found.samples_ms)} for row, found in zip(rows, timed)]
    days = [
        new_entries("latency", kept, machine=MACHINE, protocol={}, now=datetime(2026, 1, day))
        for day in (1, 2, 3)
    ]
    program = tmp_path_factory.mktemp("tool") / "benchmark_model"
    program.write_text("#!/bin/sh\n")
    made = {
        "latency": {
            "results": rows,
            "machine": MACHINE,
            "trend": [trend.to_json() for trend in trends(days[2], [*days[0], *days[1]])],
        },
        "quality": {
            "results": [result.to_json() for result in compared.quality],
            "per_image": [row for result in compared.quality for row in result.per_image()],
            "crops": [crop.to_json() for crop in crops],
        },
        "compare": {**compared.to_json(), "machine": MACHINE},
        "android": phone_part(files, program),
    }
    return {**json.loads(json_text(made)), "history": {"history": [e for day in days for e in day]}}


def phone_part(files, program) -> dict:
    """What `android` writes: a phone with a profile, one that tells no median, one that failed."""
    adb = FakeAdb(tool=(texts.NNAPI_PARTLY, 0))
    adb.state["profile"] = texts.PROFILE_CSV
    nnapi = plan_job(
        [files.clip_free], threads=(1,), tool=program, run=ToolRun(delegate="nnapi", profile=True)
    )
    old = plan_job([files.clipped], threads=(1, 4), tool=program, run=ToolRun())
    outcomes = measure_phones(adb, nnapi)
    outcomes += measure_phones(FakeAdb(serials=("P2",), tool=(texts.OLD, 0)), old)
    row = {
        "model": str(files.clip_free),
        "serial": "P1",
        "delegate": "nnapi",
        "dataset": "first",
        "images": 2,
        "scale": 2,
        "psnr_rgb_db": 30.0,
        "desktop_psnr_rgb_db": 30.1,
        "max_abs_code_difference": 3,
        "differing_fraction": 0.01,
        "protocol": "x2, as ever",
    }
    return {
        "results": [found.to_json() for outcome in outcomes for found in outcome.results],
        "quality": [row],
        "golden": [],
        "failures": {"P3": "expected P3 to stay, found it gone"},
    }


class FakeClock:
    """Seconds that pass only when a fake runner works."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class FakeRunner:
    """The part of a `Runner` that timing needs; it takes as long as it is told.

    Attributes:
        calls: Shared list that every `invoke` adds the name to.
    """

    def __init__(self, name: str, *, clock: FakeClock, calls: list[str], durations_ms=(1.0,)):
        self.model = ModelFile(name, b"content", "0" * 64)
        self.delegate, self.threads, self.runtime = "xnnpack", 2, "fake 1.0"
        self.inputs = (Tensor("input", (1, 4, 6, 3), "uint8", 1 / 255, 0),)
        self.delegation = Delegation(3, 4, 1, ("RESHAPE",))
        self.calls = calls
        self._clock, self._durations_ms, self._done = clock, durations_ms, 0

    def invoke(self) -> None:
        last = len(self._durations_ms) - 1
        self._clock.seconds += self._durations_ms[min(self._done, last)] / 1e3
        self._done += 1
        self.calls.append(self.model.name)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def fake_runner(clock):
    """Make a `FakeRunner` on the fixture's clock: `fake_runner(name, durations_ms=...)`."""
    calls: list[str] = []

    def make(name: str, durations_ms=(1.0,)) -> FakeRunner:
        return FakeRunner(name, clock=clock, calls=calls, durations_ms=durations_ms)

    return make


@pytest.fixture
def noise() -> np.ndarray:
    """uint8 (24, 24, 3) of random pixels."""
    return np.random.default_rng(7).integers(0, 256, (24, 24, 3), dtype=np.uint8)


@pytest.fixture
def call(capsys):
    """Run the command in this process: exit status, stdout, stderr."""

    def call(*arguments):
        capsys.readouterr()
        status = status_of_command(app, arguments)
        return status, *capsys.readouterr()

    return call
