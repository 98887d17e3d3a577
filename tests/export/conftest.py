from __future__ import annotations

import pytest

from export.running.sandbox import Sandbox
from representative_data.cfqp import build_natural_dataset
from representative_data.tiles import load_tiles
from tests.networks import branched_trunk, sharpening_network


@pytest.fixture(scope="session")
def tiles(picture_folder):
    return load_tiles(picture_folder, scale=2, count=6, side=24)


@pytest.fixture(scope="session")
def sharpening():
    """A network whose natural outputs leave [0, 1]."""
    return sharpening_network(strength=0.15)


@pytest.fixture(scope="session")
def branched():
    """A network with a concatenation and an in-place addition."""
    from sr_models.tails import attach_tail

    return attach_tail(branched_trunk(), "relu", scale=2)


@pytest.fixture(scope="session")
def natural(sharpening, tiles):
    """Natural calibration pictures for `sharpening`."""
    return build_natural_dataset(sharpening, tiles, network="sharpening", scale=2)


@pytest.fixture(scope="session")
def sandbox():
    """A child process that runs files; shared, since starting one takes a second."""
    with Sandbox("export.running.sandboxed_jobs") as child:
        yield child
