"""Copies of a bundle, to be spoiled by tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def bundle(made_bundle, tmp_path) -> Path:
    """A copy of the bundle, to be spoiled."""
    return Path(shutil.copytree(made_bundle, tmp_path / "phone"))
