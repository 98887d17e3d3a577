"""A bundle of a small network, made once; copies of it are spoiled by the tests."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from export.bundle.writing import export_bundle
from export.conversion import convert_with_ranges
from export.fidelity import Fidelity
from export.inspecting.audit import audit_model
from export.pipeline import ExportResult
from export.settings import ExportSettings
from representative_data.cfqp import build_natural_dataset
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.command import finite
from tests.networks import sharpening_network

SIZES = ((16, 24), (12, 20))


@pytest.fixture(scope="session")
def export_small(tiles):
    """What `run_export` does, for a network that takes a moment."""
    network = sharpening_network()
    dataset = build_natural_dataset(network, tiles, network="sharpening", scale=2)

    def export(name: str, settings: ExportSettings, **_) -> ExportResult:
        model = sharpening_network(tail=settings.tail)
        ranges = pin_pixels(observe_ranges(model, dataset), model)
        content = convert_with_ranges(
            model, ranges, sample=dataset.pictures[0], height=settings.height,
            width=settings.width, io=settings.io,
        )  # fmt: skip
        fidelity = Fidelity(1, 50.0, 50.0, 2, 0.1, 0.0, "xnnpack")
        manifest = {
            "network": {"name": name, "family": "test", "config": {}, "scale": 2,
                        "tail": settings.tail, "weights_sha256": "0" * 64},
            "settings": asdict(settings), "fidelity": fidelity.to_json(),
            "drop": {"pictures": 3, "psnr_rgb_drop_db": 0.03, "psnr_y_drop_db": 0.02},
            "representative_dataset": dataset.to_json(), "versions": {"python": "3"},
        }  # fmt: skip
        audit = audit_model(content)
        return ExportResult(content, audit, fidelity, [], dataset, ranges, finite(manifest))

    return export


@pytest.fixture(scope="session")
def made_bundle(export_small, tmp_path_factory) -> Path:
    """A bundle of two sizes with its clipped twin; not to be written to."""
    out = tmp_path_factory.mktemp("bundle") / "phone"
    export_bundle("sharpening", out=out, sizes=SIZES, export=export_small)
    return out


@pytest.fixture
def bundle(made_bundle, tmp_path) -> Path:
    """A copy of the bundle, to be spoiled."""
    return Path(shutil.copytree(made_bundle, tmp_path / "phone"))
