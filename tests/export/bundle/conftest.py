"""A bundle of a small network, made once; copies of it are spoiled by the tests."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from export.bundle.writing import export_bundle
from export.conversion import convert_with_ranges
from export.fidelity import Fidelity
from export.held_out_drop import HeldOutDrop
from export.inspecting.audit import audit_model
from export.pipeline import ExportedFile, ExportResult
from export.settings import ExportSettings
from export.sizes import Size, file_names
from representative_data.cfqp import build_natural_dataset
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.command import finite
from tests.networks import sharpening_network

SETTINGS = ExportSettings(sizes=(Size(16, 24), Size(12, 20)))


@pytest.fixture(scope="session")
def export_small(tiles):
    """What `run_export` does, for a network that takes a moment."""
    network = sharpening_network()
    dataset = build_natural_dataset(network, tiles, network="sharpening", scale=2)

    def export(name: str, settings: ExportSettings, **_) -> ExportResult:
        model = sharpening_network(tail=settings.tail)
        ranges = pin_pixels(observe_ranges(model, dataset), model)
        fidelity = Fidelity(1, 50.0, 50.0, 2, 0.1, 0.0, "xnnpack")
        drop, files = HeldOutDrop(3, 0.03, 0.02), []
        for size, file in zip(settings.all_sizes, file_names(settings.all_sizes)):
            content = convert_with_ranges(
                model, ranges, sample=dataset.pictures[0], height=size.height, width=size.width,
                io=settings.io,
            )  # fmt: skip
            files.append(
                ExportedFile(file, size, content, audit_model(content), fidelity, drop, [])
            )
        manifest = {
            "network": {"name": name, "family": "test", "config": {}, "scale": 2,
                        "tail": settings.tail, "weights_sha256": "0" * 64},
            "settings": asdict(settings), "fidelity": fidelity.to_json(), "drop": drop.to_json(),
            "representative_dataset": dataset.to_json(), "versions": {"python": "3"},
        }  # fmt: skip
        return ExportResult(
            files[0].content, files[0].audit, fidelity, [], dataset, ranges, finite(manifest),
            tuple(files),
        )  # fmt: skip

    return export


@pytest.fixture(scope="session")
def made_bundle(export_small, tmp_path_factory) -> Path:
    """A bundle of two sizes with its clipped twin; not to be written to."""
    out = tmp_path_factory.mktemp("bundle") / "phone"
    export_bundle("sharpening", SETTINGS, out=out, export=export_small)
    return out


@pytest.fixture
def bundle(made_bundle, tmp_path) -> Path:
    """A copy of the bundle, to be spoiled."""
    return Path(shutil.copytree(made_bundle, tmp_path / "phone"))
