"""What the tests of all packages share: small pictures, a small network, another interpreter."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

# Before numpy is there: threads of its linear algebra that wait for each other turn in circles, and
# where each core has a test process of its own, that takes four fifths of AdaRound's time. Other
# processes inherit it. The results are the same, bit for bit.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Where xdist starts the workers, its readline gives them the size of a terminal that is not there.
os.environ.pop("COLUMNS", None)
os.environ.pop("LINES", None)
# Emulated machines that a developer has set up are for the test that asks for them: bundles would
# be run on them otherwise.
os.environ.setdefault("SR_REAL_TARGETS", os.environ.get("SR_TARGETS", ""))
os.environ["SR_TARGETS"] = os.path.join(os.sep, "no", "targets", "in", "tests")

import hypothesis
import numpy as np
import pytest
from PIL import Image

import sr_models
from sr_models.ground.native_output import only_what_is_needed
from sr_models.networks.presets import Preset

# No deadline: a busy machine must not fail a property. The same examples on every run.
hypothesis.settings.register_profile("repeatable", deadline=None, max_examples=40, derandomize=True)
hypothesis.settings.load_profile("repeatable")


_collecting = ExitStack()


def pytest_configure():
    """Tests are collected as quickly as verbs begin."""
    _collecting.enter_context(only_what_is_needed())


def pytest_collection_finish():
    """Keep the garbage collector from going through all modules in every `saved_model.save`."""
    _collecting.close()
    gc.collect()
    gc.freeze()


def pytest_unconfigure():
    """The process that only hands tests out collects none."""
    _collecting.close()


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder that one process of this run fills for all of them: `once(name, make)`.

    `make` is given the new folder; where it fails, the next to ask tries again. What is found
    inside is not to be written to.
    """
    base = tmp_path_factory.getbasetemp()
    # Each worker has a folder of its own in one that they share.
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "once"
    shared.mkdir(exist_ok=True)

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, unfinished = shared / name, shared / f"{name}.unfinished"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                make(unfinished)
                unfinished.rename(folder)
        return folder

    return once


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    """Photographs from scikit-image's wheel, uint8 (H, W, 3), RGB."""
    from skimage import data

    return {name: getattr(data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")}


@pytest.fixture(scope="session")
def picture_folder(photographs, tmp_path_factory) -> Path:
    """A folder of four PNG crops of 108x144 pixels; not to be written to."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, picture in photographs.items():
        Image.fromarray(picture[100:208, 120:264]).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def tiny_preset() -> Preset:
    """An XLSR x3 of a quarter of the width, which builds and trains in moments."""
    config = {"scale": 3, "width": 8, "blocks": 2, "skip_width": 4, "merge_width": 8}
    return Preset("tiny_x3", "xlsr", config, "for tests")


@pytest.fixture(scope="session")
def smallest_preset() -> Preset:
    """An ABPN x3 of few layers, where what matters is the training around it.

    Compiling a training step takes time with the number of variables: 8 here, 30 in `tiny_preset`.
    """
    return Preset("smallest_x3", "abpn", {"scale": 3, "width": 8, "blocks": 1}, "for tests")


@pytest.fixture(scope="session")
def small_file(once):
    """The int8 file of a small network: `small_file(name, tail)`, see `tests.families`."""
    from tests.families import small_file

    return lambda name, tail: small_file(name, tail, once=once)


@pytest.fixture
def without_graphs():
    """Few steps of a tiny network, uncompiled: compiling them takes longer than running them."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def start_python():
    """Start another interpreter that finds the packages: `start_python(code, *arguments)`."""

    def start(code: str, *arguments, **keywords) -> subprocess.Popen:
        root = str(Path(sr_models.__file__).parents[1])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": path},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **keywords,
        )

    return start


@pytest.fixture(scope="session")
def run_python(start_python):
    """Run code in another interpreter to its end: a `CompletedProcess` with text output."""

    def run(code: str, *arguments, **keywords) -> subprocess.CompletedProcess:
        process = start_python(code, *arguments, **keywords)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


@pytest.fixture(scope="session")
def tiles(picture_folder):
    from representative_data.tiles import load_tiles

    return load_tiles(picture_folder, scale=2, count=6, side=24)


@pytest.fixture(scope="session")
def sharpening():
    """A network whose natural outputs leave [0, 1]."""
    from tests.networks import sharpening_network

    return sharpening_network(strength=0.15)


@pytest.fixture(scope="session")
def branched():
    """A network with a concatenation and an in-place addition."""
    from sr_models.networks.tails import attach_tail
    from tests.networks import branched_trunk

    return attach_tail(branched_trunk(), "relu", scale=2)


@pytest.fixture(scope="session")
def natural(sharpening, tiles):
    """Natural calibration pictures for `sharpening`."""
    from representative_data.cfqp import build_natural_dataset

    return build_natural_dataset(sharpening, tiles, network="sharpening", scale=2)


@pytest.fixture(scope="session")
def export_small(tiles):
    """What `run_export` does, for a network that takes a moment."""
    from tests.bundles import small_exporter

    return small_exporter(tiles)


@pytest.fixture(scope="session")
def made_bundle(export_small, once) -> Path:
    """A bundle of two sizes with its clipped baseline; not to be written to."""
    from export.bundle.writing import export_bundle
    from tests.bundles import TWO_SIZES

    def make(folder: Path) -> None:
        export_bundle("sharpening", TWO_SIZES, out=folder / "phone", export=export_small)

    return once("bundle", make) / "phone"
