"""INT8 drop: what quantizing a network by some method costs in PSNR against its float form."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from export.exporting.job import run_export
from export.exporting.result import ExportResult
from export.exporting.settings import ExportSettings, clipped_baseline
from export.running.interpreters import open_model
from runtime_bench.measuring.quality import (
    Dataset,
    QualityResult,
    load_pairs,
    measure_file,
    measure_upscaler,
    quality_protocol,
)
from sr_models.ground.sizes import Size
from sr_models.importing.sources import SourceNetwork, open_network
from sr_models.networks.evaluation import pixel_upscaler
from sr_models.networks.tails import attach_tail

_NONE: Mapping[Path, Path] = MappingProxyType({})
SIDE = 96
TWIN = "clipped baseline"
"""What rows of the clipped baseline are called: tail `clip`, natural pictures, plain min/max."""


@dataclass(frozen=True)
class Drop:
    """What one method costs one network.

    Attributes:
        network: What the network is called.
        method: The recipe, or `TWIN`.
        datasets: Dataset -> (RGB, luma): PSNR of the float network, saturated and rounded, less
            that of the file's raw codes, in dB.
        fidelity_db: PSNR of the file against the float network on pictures held out.
        seconds: Time of the whole export, shaping of the dataset, audit and proof included.
        sha256: Hash of the file.
        delegate: Kernel path of the file.
        scale: Scale factor.
        luma: Whether it upscales luma alone; figures for RGB are no numbers then.
    """

    network: str
    method: str
    datasets: dict[str, tuple[float, float]]
    fidelity_db: float
    seconds: float
    sha256: str
    delegate: str
    scale: int
    luma: bool = False

    @property
    def mean_rgb_db(self) -> float:
        """Mean over the datasets, RGB."""
        return float(np.mean([rgb for rgb, _ in self.datasets.values()]))

    @property
    def mean_y_db(self) -> float:
        """Mean over the datasets, luma."""
        return float(np.mean([y for _, y in self.datasets.values()]))

    @property
    def mean_db(self) -> float:
        """Mean over the datasets by which files are compared: RGB, or luma where it is all."""
        return self.mean_y_db if self.luma else self.mean_rgb_db

    @property
    def worst_db(self) -> float:
        """The larger of both means."""
        return self.mean_y_db if self.luma else max(self.mean_rgb_db, self.mean_y_db)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "model": self.network,
            "method": self.method,
            "scale": self.scale,
            "datasets": {
                name: {"psnr_rgb_drop_db": rgb, "psnr_y_drop_db": y}
                for name, (rgb, y) in self.datasets.items()
            },
            "mean_psnr_rgb_drop_db": self.mean_rgb_db,
            "mean_psnr_y_drop_db": self.mean_y_db,
            "fidelity_db": self.fidelity_db,
            "seconds": self.seconds,
            "sha256": self.sha256,
            "delegate": self.delegate,
            "protocol": quality_protocol(self.scale, luma=self.luma),
        }


def drops(
    network: SourceNetwork | str,
    methods: Sequence[str],
    *,
    datasets: Sequence[Dataset],
    images: str | None = None,
    inputs: Mapping[Path, Path] = _NONE,
    calibration_inputs: str | None = None,
    settings: ExportSettings | None = None,
    twin: bool = False,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Iterator[Drop]:
    """Export a network by each method and hold each file against the float network.

    Args:
        network: An opened network, or whatever `sr_models.open_network` takes.
        methods: Recipes, see `export.quantizing.recipe`.
        datasets: Ground truth; for measuring only, methods never see it.
        images: Folder of calibration pictures; scikit-image's own by default.
        inputs: See `runtime_bench.measuring.quality.measure_file`.
        calibration_inputs: Folder of what the network is given in place of `images`.
        settings: Every other choice; 96x96 pixels by default, the size has no part in it.
        twin: Whether the clipped baseline, by plain min/max, comes last.
        on_stage: Called with what begins next.

    Raises:
        SrError: See `run_export` and `measure_file`.
    """
    base = settings or ExportSettings(sizes=(Size(SIDE, SIDE),))
    # All names before the first long work.
    wanted = {method: replace(base, method=method) for method in methods}
    if twin:
        wanted[TWIN] = clipped_baseline(base)
    given = {"datasets": datasets, "images": images, "inputs": inputs}
    given["calibration_inputs"] = calibration_inputs
    exports = measured_exports(network, wanted, **given, on_stage=on_stage)
    for name, (drop, _) in zip(wanted, exports):
        yield replace(drop, method=name)


def measured_exports(
    network: SourceNetwork | str,
    choices: Mapping[str, ExportSettings],
    *,
    datasets: Sequence[Dataset],
    images: str | None = None,
    inputs: Mapping[Path, Path] = _NONE,
    calibration_inputs: str | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Iterator[tuple[Drop, ExportResult]]:
    """Export a network by each choice and hold each file against the float network.

    Args:
        network: An opened network, or whatever `sr_models.open_network` takes.
        choices: Settings by what to call them.
        datasets: Ground truth; for measuring only, methods never see it.
        images: Folder of calibration pictures; scikit-image's own by default.
        inputs: See `runtime_bench.measuring.quality.measure_file`.
        calibration_inputs: Folder of what the network is given in place of `images`.
        on_stage: Called with what begins next.
    """
    opened = open_network(network)
    scale, luma, label = opened.scale, opened.channels == 1, opened.label
    upscale = pixel_upscaler(attach_tail(opened.trunk, "none", scale=scale))
    on_stage(f"{label}: measuring the float network")
    floats = {
        dataset.name: QualityResult(
            label,
            dataset.name,
            scale,
            None,
            measure_upscaler(
                upscale,
                load_pairs(dataset.paths, scale=scale, luma=luma, inputs=inputs),
                scale=scale,
            ),
            luma=luma,
        )
        for dataset in datasets
    }
    for name, choice in choices.items():
        on_stage(f"{label}: exporting by {name}")
        begun = time.perf_counter()
        result = run_export(opened, choice, images=images, inputs=calibration_inputs)
        seconds = time.perf_counter() - begun
        runner = open_model(result.content, threads=2)
        on_stage(f"{label}: measuring {name}")
        found = {}
        for dataset in datasets:
            raw = measure_file(runner, dataset, scale=scale, inputs=inputs).raw
            whole = floats[dataset.name].raw
            found[dataset.name] = (
                whole.psnr_rgb_db - raw.psnr_rgb_db,
                whole.psnr_y_db - raw.psnr_y_db,
            )
        drop = Drop(
            label,
            choice.quantizing.recipe,
            found,
            result.fidelity.psnr_db,
            seconds,
            result.audit.sha256,
            runner.delegate,
            scale,
            luma,
        )
        yield drop, result


def worse_than_twins(results: Sequence[Drop]) -> list[str]:
    """Files whose raw PSNR (mean of the datasets) is below that of their clipped baseline."""
    twins = {result.network: result for result in results if result.method == TWIN}
    return [
        f"{result.network} by {result.method}"
        for result in results
        if result.network in twins and result.mean_db > twins[result.network].mean_db
    ]


def drop_text(result: Drop) -> str:
    """The means of both, RGB / luma, in dB."""
    return _text(result, result.mean_rgb_db, result.mean_y_db)


def _text(result: Drop, rgb: float, luma: float) -> str:
    return f"- / {luma:.3f}" if result.luma else f"{rgb:.3f} / {luma:.3f}"


def drop_rows(results: Sequence[Drop]) -> tuple[list[str], list[list[str]]]:
    """Column names and cells of a table; a dash where a network has no such dataset."""
    names = list(dict.fromkeys(name for result in results for name in result.datasets))

    def cell(result: Drop, name: str) -> str:
        if name not in result.datasets:
            return "-"
        return _text(result, *result.datasets[name])

    columns = ["network", "method", *names, "mean", "fidelity dB", "seconds"]
    rows = [
        [
            result.network,
            result.method,
            *(cell(result, name) for name in names),
            drop_text(result),
            f"{result.fidelity_db:.2f}",
            f"{result.seconds:.0f}",
        ]
        for result in results
    ]
    return columns, rows
