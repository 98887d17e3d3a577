"""Exports and bundles of a small network, without the minute that a real export takes."""

from __future__ import annotations

from functools import cache

from export.exporting.conversion import convert, convert_with_ranges, gather_evidence, quantize
from export.exporting.file_choices import file_names
from export.exporting.judging import Fidelity, HeldOutDrop
from export.exporting.result import ExportedFile, ExportResult
from export.exporting.settings import ExportSettings
from export.inspecting.audit import audit_model
from representative_data.cfqp import build_natural_dataset
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.ground.sizes import Size
from sr_models.importing.sources import SourceNetwork
from tests.networks import sharpening_network

TWO_SIZES = ExportSettings(sizes=(Size(16, 24), Size(12, 20)))


def small_exporter(tiles):
    """What `run_export` does, for the sharpening network; quality figures are made up.

    What was made for the same name and settings is given out again.
    """
    dataset = build_natural_dataset(sharpening_network(), tiles, network="sharpening", scale=2)

    @cache
    def made(name: str, settings: ExportSettings) -> ExportResult:
        model = sharpening_network(tail=settings.quantizing.tail)
        ranges = pin_pixels(observe_ranges(model, dataset), model)
        fidelity = Fidelity(1, 50.0, 50.0, 2, 0.1, 0.0, "xnnpack")
        drop, files = HeldOutDrop(3, 0.03, 0.02), []
        sizes = settings.files.sizes
        for size, file in zip(sizes, file_names(sizes)):
            content = convert_with_ranges(
                model,
                ranges,
                sample=dataset.pictures[0],
                height=size.height,
                width=size.width,
                io=settings.files.io,
            )
            files.append(ExportedFile(file, size, content, audit_model(content), fidelity, drop))
        return ExportResult(
            SourceNetwork(name, 2, None, family="test", config={}),
            "0" * 64,
            settings,
            dataset,
            ranges,
            tuple(files),
        )

    return lambda name, settings, **_: made(name, settings)


def quantized_files(model, dataset, settings, *, pictures=(), meter=None, on_stage=print):
    """The steps quantize and convert of an export: its files, and the network with its ranges."""
    evidence = gather_evidence(dataset, settings, pictures=pictures)
    quantized = quantize(model, evidence, settings, meter=meter, on_stage=on_stage)
    return convert(model, quantized, evidence, settings, on_stage=on_stage), quantized


def check_pixels(content: bytes, *, tolerance: float) -> None:
    """Scale 1/255, code 0 black: input and output, within a tolerance relative to white."""
    audit = audit_model(content)
    assert audit.full_integer and audit.pixel_contract.holds, audit.pixel_contract.reasons
    for tensor in (*audit.inputs, *audit.outputs):
        assert tensor.dtype == "uint8"
        assert abs(255.0 * tensor.scale - 1.0) <= tolerance
        assert abs(tensor.zero_point * tensor.scale) <= tolerance
