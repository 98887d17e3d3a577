"""The demonstration: one network exported as people do today and as we do, side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from export.exporting.job import run_export
from export.exporting.settings import ExportSettings, clipped_baseline
from export.inspecting.audit import Audit
from export.running.interpreters import open_model
from export.running.pixels import upscale
from export.running.plan import Plan
from export.running.statistics import Comparison, compare_samples
from export.running.targets import this_machine
from runtime_bench.measuring.latency import Latency, open_entries, time_entries
from runtime_bench.measuring.quality import (
    Dataset,
    QualityResult,
    find_datasets,
    load_pair,
    load_pairs,
    mean_quality,
    measure_file,
    measure_upscaler,
    quality_protocol,
    scale_of,
)
from runtime_bench.pages.report import Page
from sr_models.ground.console import json_text
from sr_models.ground.pixel_range import UNIT
from sr_models.ground.sizes import Size

CLIPPED = "clipped baseline"


@dataclass(frozen=True)
class Variant:
    """One way to export the network.

    Attributes:
        name: What tables call it.
        file: Name of the file in the demonstration's folder.
        settings: How it is exported.
    """

    name: str
    file: str
    settings: ExportSettings


def variants(height: int, width: int) -> list[Variant]:
    """What is compared: today's file first, it is the baseline."""
    # Files are timed here, so they are packed for this machine's kernels.
    base = ExportSettings(sizes=(Size(height, width),), packed_for=this_machine())
    # The baselines take the plain path that everybody takes: natural pictures handed to the
    # converter's own calibrator.
    plain = replace(base, method="natural", calibrator="converter")
    return [
        Variant(CLIPPED, "clipped.tflite", clipped_baseline(base, calibrator="converter")),
        Variant("clip-free, natural pictures", "natural.tflite", plain),
        Variant("clip-free, CFQP pure", "cfqp_pure.tflite", replace(base, pure=True)),
        Variant("clip-free, CFQP", "cfqp.tflite", base),
        Variant("clip-free, CFQP, int8 codes", "cfqp_int8.tflite", replace(base, io="int8")),
    ]


@dataclass(frozen=True)
class Row:
    """What was found about one variant.

    Attributes:
        variant: The variant.
        audit: What the file holds.
        accepted: Whether the export would hand the file over.
        quality: One result for each dataset.
        latency: Number of threads -> timing.
        speedup: Number of threads -> comparison with the clipped baseline.
    """

    variant: Variant
    audit: Audit
    accepted: bool
    quality: tuple[QualityResult, ...]
    latency: dict[int, Latency]
    speedup: dict[int, Comparison]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "name": self.variant.name,
            "file": self.variant.file,
            "accepted": self.accepted,
            "audit": self.audit.to_json(),
            "quality": [result.to_json() for result in self.quality],
            "timings": [latency.to_json() for latency in self.latency.values()],
            "comparisons": [{"threads": t, **c.to_json()} for t, c in self.speedup.items()],
        }


@dataclass(frozen=True)
class Demonstration:
    """All rows, the float network's quality, and what to draw.

    Attributes:
        network: Preset name.
        rows: One for each variant, the baseline first.
        float_psnr_db: Dataset -> raw RGB PSNR of the float network, saturated and rounded.
        crops: Lines of (caption, uint8 (h, w, 3)) for the page.
        outputs: Caption and uint8 output codes of one picture for histograms.
    """

    network: str
    rows: tuple[Row, ...]
    float_psnr_db: dict[str, float]
    crops: tuple[tuple[tuple[str, np.ndarray], ...], ...]
    outputs: tuple[tuple[str, np.ndarray], ...]

    def to_json(self) -> dict[str, Any]:
        """Everything but pictures, as plain data."""
        return {
            "network": self.network,
            "float_psnr_rgb_db": self.float_psnr_db,
            "results": [row.to_json() for row in self.rows],
        }


def held_out_datasets(data: str | Path | None) -> list[Dataset]:
    """The user's datasets, or scikit-image's pictures that calibration does not see."""
    if data is not None:
        return find_datasets(data)
    from representative_data.pictures import BUNDLED_HELD_OUT, bundled_pictures

    return [Dataset("scikit-image", tuple(bundled_pictures(BUNDLED_HELD_OUT)))]


def run_demo(
    network: str,
    *,
    out: Path,
    images: str | Path | None = None,
    data: str | Path | None = None,
    height: int = 360,
    width: int = 640,
    threads: Sequence[int] | None = None,
    plan: Plan | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Demonstration:
    """Export all variants into `out`, measure quality, then time them in interleaved rounds.

    Args:
        network: Preset name.
        out: An existing folder; each variant's file and manifest are written there.
        images: Calibration pictures; scikit-image's own by default.
        data: Ground-truth pictures; scikit-image's held-out ones by default.
        height: Input height of the files in pixels.
        width: Input width in pixels.
        threads: Thread counts to time; one and all cores by default.
        plan: How to time.
        on_stage: Called with what begins next.
    """
    datasets = held_out_datasets(data)
    threads = sorted({1, os.cpu_count() or 1}) if threads is None else threads
    exported = []
    for variant in variants(height, width):
        on_stage(f"exporting: {variant.name}")
        result = run_export(network, variant.settings, images=images, model_file=variant.file)
        (out / variant.file).write_bytes(result.content)
        (out / variant.file).with_suffix(".json").write_text(json_text(result.manifest))
        exported.append((variant, result.audit, not result.failures))
    on_stage("measuring quality")
    float_psnr_db = float_quality(network, datasets)
    quality = []
    for variant, _, _ in exported:
        runner = open_model(out / variant.file, threads=max(threads))
        quality.append(tuple(measure_file(runner, dataset) for dataset in datasets))
    on_stage("timing (interleaved)")
    timed = time_variants([out / v.file for v, _, _ in exported], threads=threads, plan=plan)
    rows = [
        Row(variant, audit, accepted, q, latency, speedup)
        for (variant, audit, accepted), q, (latency, speedup) in zip(exported, quality, timed)
    ]
    crops, outputs = draw_crops(
        [(row.variant.name, out / row.variant.file) for row in rows], datasets[0]
    )
    return Demonstration(network, tuple(rows), float_psnr_db, crops, outputs)


def float_quality(network: str, datasets: Sequence[Dataset]) -> dict[str, float]:
    """Dataset -> mean RGB PSNR in dB of the float network, saturated and rounded."""
    from sr_models.networks.evaluation import pixel_upscaler
    from sr_models.networks.network import load_model
    from sr_models.networks.presets import get_preset

    scale = get_preset(network).scale
    upscale = pixel_upscaler(load_model(network, tail="none"))
    return {
        dataset.name: mean_quality(
            [
                image.raw
                for image in measure_upscaler(
                    upscale, load_pairs(dataset.paths, scale=scale), scale=scale
                )
            ]
        ).psnr_rgb_db
        for dataset in datasets
    }


def time_variants(
    files: Sequence[Path], *, threads: Sequence[int], plan: Plan | None
) -> list[tuple[dict[int, Latency], dict[int, Comparison]]]:
    """Latency by number of threads for each file, and its speed-up over the first file."""
    found: list[tuple[dict, dict]] = [({}, {}) for _ in files]
    for count in threads:
        entries = open_entries(files, threads=[count])
        results = time_entries(entries, plan)
        for (latency, speedup), result in zip(found, results):
            latency[count] = result
            speedup[count] = compare_samples(results[0].samples_ms, result.samples_ms)
    return found


def draw_crops(
    files: Sequence[tuple[str, Path]], dataset: Dataset, *, side: int = 96
) -> tuple[tuple, tuple]:
    """A crop of each picture's centre by every file, and the codes of the first picture."""
    from sr_models.ground.plots import difference_map

    runners = [(name, open_model(path)) for name, path in files]
    lines, outputs = [], []
    for index, path in enumerate(dataset.paths[:3]):
        pair = load_pair(path, scale=scale_of(runners[0][1]))
        top, left = (max(0, (size - side) // 2) for size in pair.high.shape[:2])
        window = (slice(top, top + side), slice(left, left + side))
        line = [("ground truth", pair.high[window])]
        for name, runner in runners:
            raw = upscale(runner, pair.low, pixels=UNIT).raw
            line.append((name, raw[window]))
            if index == 0:
                outputs.append((name, raw))
        lines.append(tuple(line))
        lines.append(
            tuple((f"difference: {n}", difference_map(p, line[0][1])) for n, p in line[1:])
        )
    return tuple(lines), tuple(outputs)


_INTRODUCTION = """
Each file holds the same trained weights. The clipped baseline is what people ship today: a clip
after the last operator, natural calibration pictures, the converter's own calibrator. Its clip is
two passes over the full-size picture. Taken away alone, it leaves an output scale that is no longer
1/255, so that whoever reads the codes as pixels gets a wrong contrast (raw PSNR). With tamed
representative pictures (CFQP, reconstructed) the int8 grid itself ends at black and white, and the
saturating store of the last convolution is the clip.

Raw PSNR reads the output codes as pixels. Dequantized PSNR applies scale and zero point first. In
a good file both are the same.
"""


def speedup_text(comparison: Comparison) -> str:
    """Ratio with its 95 % interval, or that no difference was shown."""
    if not comparison.significant:
        return f"{comparison.speedup:.2f} (no difference shown)"
    return f"{comparison.speedup:.2f} [{comparison.low:.2f}, {comparison.high:.2f}]"


def table(demonstration: Demonstration) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the demonstration's table; the first row is the float network."""
    datasets = list(demonstration.float_psnr_db)
    threads = list(demonstration.rows[0].latency)
    columns = ["variant", "operators", "clips", "255 x scale", "codes are pixels"]
    columns += [f"{dataset} raw / dequantized dB" for dataset in datasets]
    for count in threads:
        named = f"{count} thread{'s' if count > 1 else ''}"
        columns += [f"ms, {named}", f"speed-up, {named}"]
    reference = [f"{psnr_db:.3f}" for psnr_db in demonstration.float_psnr_db.values()]
    rows = [["float network", "-", "-", "-", "-", *reference, *["-"] * (2 * len(threads))]]
    rows += [_row(row, baseline=index == 0) for index, row in enumerate(demonstration.rows)]
    return columns, rows


def _row(row: Row, *, baseline: bool) -> list[str]:
    cells = [
        row.variant.name,
        str(sum(row.audit.ops.values())),
        str(len(row.audit.clip_ops)),
        f"{255.0 * row.audit.outputs[0].scale:.4f}",
        "yes" if row.audit.pixel_contract.holds else "no",
    ]
    cells += [
        f"{result.raw.psnr_rgb_db:.3f} / {result.dequantized.psnr_rgb_db:.3f}"
        for result in row.quality
    ]
    for count, latency in row.latency.items():
        speedup = "baseline" if baseline else speedup_text(row.speedup[count])
        cells += [f"{latency.summary.median_ms:.1f}", speedup]
    return cells


def build_page(demonstration: Demonstration, *, machine: Mapping[str, Any], scale: int) -> Page:
    """The page: table, bars, quality against latency, crops, histograms, machine."""
    page = Page(f"Clip-free INT8: {demonstration.network}")
    page.add_text(_INTRODUCTION)
    columns, rows = table(demonstration)
    page.add_table(columns, rows, caption=quality_protocol(scale))
    threads = list(demonstration.rows[0].latency)
    dataset = next(iter(demonstration.float_psnr_db))
    for count in threads:
        page.add_heading(f"Latency at {count} thread{'s' if count > 1 else ''}")
        bars = [
            {"label": row.variant.name, **row.latency[count].summary.to_json()}
            for row in demonstration.rows
        ]
        runs = demonstration.rows[0].latency[count].summary.runs
        page.add_latency_bars(
            bars, caption=f"median of {runs} interleaved runs, whiskers from 5 to 95 %, XNNPACK"
        )
    page.add_heading("Quality against latency")
    page.add_scatter(
        [
            {
                "label": row.variant.name,
                "psnr_db": row.quality[0].raw.psnr_rgb_db,
                "median_ms": row.latency[threads[-1]].summary.median_ms,
            }
            for row in demonstration.rows
        ],
        caption=f"raw PSNR (RGB) on {dataset}, {threads[-1]} threads",
    )
    page.add_heading("Side by side")
    page.add_crops(
        demonstration.crops,
        caption="codes read as pixels; differences to the ground truth, amplified eight times",
    )
    page.add_heading("Output codes")
    page.add_histograms(demonstration.outputs, caption="how often each code occurs, one picture")
    page.add_heading("Machine")
    page.add_machine(machine)
    return page
