"""Files of a `benchmark_model` and small `.tflite` files for phones."""

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
def stand_ins(tmp_path):
    """The stand-in that really runs files, as a program of a kind: `stand_ins("litert")`."""

    def make(kind="classic", release="2.2.0") -> Path:
        path = tmp_path / release / "android_arm64" / "benchmark_model"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = Path(stand_in.__file__).read_text().replace('KIND = "classic"', f'KIND = "{kind}"')
        path.write_text(f"#!{sys.executable}\n{text}")
        return path

    return make
