"""A file of a `benchmark_model` and small `.tflite` files for phones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.runtime_bench.android import stand_in


@pytest.fixture
def program(tmp_path) -> Path:
    """A script in place of `benchmark_model`, that any phone may run."""
    path = tmp_path / "benchmark_model"
    path.write_text("#!/bin/sh\n")
    return path


@pytest.fixture
def stand_in_program(tmp_path) -> Path:
    """The stand-in that really runs files, as a program."""
    path = tmp_path / "stand_in"
    path.write_text(f"#!{sys.executable}\n{Path(stand_in.__file__).read_text()}")
    return path
