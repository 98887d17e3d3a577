"""Bundles of a small network, without the minute that a real export takes."""

from __future__ import annotations

from dataclasses import asdict

from export.exporting.conversion import convert_with_ranges
from export.exporting.judging import Fidelity, HeldOutDrop
from export.exporting.result import ExportedFile, ExportResult
from export.exporting.settings import ExportSettings, Size, file_names
from export.inspecting.audit import audit_model
from representative_data.cfqp import build_natural_dataset
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.ground.console import finite
from tests.networks import sharpening_network

TWO_SIZES = ExportSettings(sizes=(Size(16, 24), Size(12, 20)))


def small_exporter(tiles):
    """What `run_export` does, for the sharpening network; quality figures are made up."""
    dataset = build_natural_dataset(sharpening_network(), tiles, network="sharpening", scale=2)

    def export(name: str, settings: ExportSettings, **_) -> ExportResult:
        model = sharpening_network(tail=settings.tail)
        ranges = pin_pixels(observe_ranges(model, dataset), model)
        fidelity = Fidelity(1, 50.0, 50.0, 2, 0.1, 0.0, "xnnpack")
        drop, files = HeldOutDrop(3, 0.03, 0.02), []
        for size, file in zip(settings.all_sizes, file_names(settings.all_sizes)):
            content = convert_with_ranges(
                model,
                ranges,
                sample=dataset.pictures[0],
                height=size.height,
                width=size.width,
                io=settings.io,
            )
            files.append(
                ExportedFile(file, size, content, audit_model(content), fidelity, drop, [])
            )
        manifest = {
            "network": {
                "name": name,
                "family": "test",
                "config": {},
                "scale": 2,
                "tail": settings.tail,
                "weights_sha256": "0" * 64,
            },
            "settings": asdict(settings),
            "fidelity": fidelity.to_json(),
            "drop": drop.to_json(),
            "representative_dataset": dataset.to_json(),
            "versions": {"python": "3"},
        }
        return ExportResult(
            files[0].content,
            files[0].audit,
            fidelity,
            [],
            dataset,
            ranges,
            finite(manifest),
            tuple(files),
        )

    return export
