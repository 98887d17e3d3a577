"""From a float network to a file for each size, by the path that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from export.exporting.conversion import convert_float, convert_with_calibrator, convert_with_ranges
from export.exporting.judging import DropMeter
from export.exporting.settings import ExportSettings
from export.precision.kept_layers import require_layers
from export.precision.raised_network import raise_files
from export.quantizing.auto import choose_recipe
from export.quantizing.quantized_network import Evidence, QuantizedNetwork
from export.quantizing.recipe import AUTO, parse_recipe
from representative_data.dataset import RepresentativeDataset
from sr_models.networks.evaluation import pixel_upscaler
from sr_models.quantization.simulator import simulate


def convert(
    model,
    dataset: RepresentativeDataset,
    settings: ExportSettings,
    *,
    pictures: Sequence[np.ndarray] = (),
    meter: DropMeter | None = None,
    weights: str | Path | None = None,
    run_dir: str | Path | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[bytes], QuantizedNetwork | None]:
    """Quantize once, and convert for every size, by the path that the settings ask for.

    Args:
        model: Float network with its output tail.
        dataset: The representative dataset.
        settings: Every choice.
        pictures: uint8 (h, w, 3) low-resolution pictures as they are in nature, for the methods
            that follow the dataset; the dataset's own by default.
        meter: Measures what a network loses; needed by the method `"auto"`.
        weights: File of the network's weights; needed by the method `"pams"`.
        run_dir: Folder of states of methods that fine-tune; see `Evidence`.
        on_stage: Called with what begins next.
        on_progress: Called with the steps done of a long method, and their number.

    Returns:
        A file for each size, and the network with the ranges that were written into them (`None`
        where none were).
    """
    sizes = [{"height": size.height, "width": size.width} for size in settings.all_sizes]
    if settings.precision == "float32":
        return [convert_float(model, **size) for size in sizes], None
    evidence = Evidence(
        dataset,
        list(pictures) or dataset.pictures,
        pinned=not settings.pure,
        seed=settings.seed,
        weights=Path(weights) if weights else None,
        run_dir=Path(run_dir) if run_dir else None,
        on_progress=on_progress,
    )
    require_layers(model, settings.kept)
    if settings.calibrator == "converter":
        contents = [
            convert_with_calibrator(model, dataset, io=settings.io, **size) for size in sizes
        ]
        return raise_files(contents, model, None, evidence, settings, on_stage=on_stage), None
    if settings.method == AUTO:
        network = choose_recipe(
            model,
            evidence,
            judge=lambda made: meter(_simulated(made)).worst_db,
            max_drop_db=settings.max_drop_db,
            on_stage=on_stage,
        ).network
    else:
        network = parse_recipe(settings.method).apply(model, evidence, on_stage=on_stage)
    contents = []
    for size, named in zip(sizes, settings.all_sizes):
        on_stage(f"converting for {named}")
        contents.append(
            convert_with_ranges(
                network.model, network.ranges, sample=dataset.pictures[0], io=settings.io, **size
            )
        )
    raised = raise_files(contents, model, network, evidence, settings, on_stage=on_stage)
    return raised, network


def _simulated(network: QuantizedNetwork) -> Callable[[np.ndarray], np.ndarray]:
    return pixel_upscaler(simulate(network.model, network.ranges))
