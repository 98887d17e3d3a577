"""Small `.tflite` files of every kind that is measured, made by the export package."""

from __future__ import annotations

import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.conversion import convert_float, convert_with_calibrator, convert_with_ranges
from export.running.delegation import Delegation
from export.running.interpreters import Tensor
from export.tflite.model_files import ModelFile
from representative_data.cfqp import build_natural_dataset
from representative_data.observation import observe_ranges, pin_pixels
from representative_data.tiles import load_tiles
from runtime_bench.cli import app
from sr_models.command import status_of_command
from tests.networks import sharpening_network

SIZE = {"height": 24, "width": 24}


@pytest.fixture(scope="session")
def calibration_set(picture_folder):
    """Natural calibration pictures, on which the sharpening network leaves [0, 1]."""
    tiles = load_tiles(picture_folder, scale=2, count=6, side=24)
    return build_natural_dataset(sharpening_network(), tiles, network="sharpening", scale=2)


@pytest.fixture(scope="session")
def files(calibration_set, tmp_path_factory) -> types.SimpleNamespace:
    """Paths of x2 files of one network at 24x24 pixels; not to be written to.

    `clip_free` and `clip_free_int8` keep the pixel contract, `clipped` keeps it with clip
    operators, `natural` is clip-free but breaks the contract, `floating` is float32.
    """
    folder = tmp_path_factory.mktemp("files")
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
    return types.SimpleNamespace(**{name: folder / f"{name}.tflite" for name in contents})


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
