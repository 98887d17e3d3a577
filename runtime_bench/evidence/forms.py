"""The two forms of a network, training and deployed, timed as files against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.exporting.conversion import convert_with_calibrator
from representative_data.cfqp import build_natural_dataset
from representative_data.pictures import bundled_pictures
from representative_data.tiles import load_tiles
from runtime_bench.measuring.latency import Latency, Plan, open_entries, time_entries
from runtime_bench.measuring.statistics import Comparison, compare_samples
from sr_models.ground.errors import OptionError
from sr_models.networks.network import convert_form, load_trunk
from sr_models.networks.presets import Preset
from sr_models.networks.registry import get_family
from sr_models.networks.tails import attach_tail


def write_forms(
    preset: Preset, folder: Path, *, height: int, width: int, weights: str | Path | None = None
) -> dict[str, Path]:
    """Write both forms of a network as int8 files with the same weights: form name -> file.

    Raises:
        OptionError: The family has one form only, or no way back to its training form.
    """
    if get_family(preset.family).to_training_form in (None, dict):
        raise OptionError(
            f"expected a network with two forms, found {preset.name}, whose family "
            f"{preset.family} has one; choose another network"
        )
    deployed = load_trunk(preset, weights=weights)
    trunks = {"train": convert_form(deployed, preset, form="train"), "deploy": deployed}
    tiles = load_tiles(bundled_pictures(), scale=preset.scale, count=12)
    files = {}
    for form, trunk in trunks.items():
        model = attach_tail(trunk, "relu", scale=preset.scale)
        dataset = build_natural_dataset(model, tiles, network=preset.name, scale=preset.scale)
        content = convert_with_calibrator(model, dataset, height=height, width=width, io="int8")
        files[form] = folder / f"{preset.name}_{form}.tflite"
        files[form].write_bytes(content)
    return files


def time_forms(
    files: dict[str, Path], *, threads: int, plan: Plan | None = None
) -> tuple[dict[str, Latency], Comparison]:
    """Time both files in interleaved rounds; the comparison's baseline is the training form."""
    results = time_entries(open_entries(list(files.values()), threads=[threads]), plan)
    named = dict(zip(files, results))
    return named, compare_samples(named["train"].samples_ms, named["deploy"].samples_ms)


def forms_json(
    timings: dict[int, tuple[dict[str, Latency], Comparison]],
) -> list[dict[str, Any]]:
    """One row for each form and number of threads, with the deployed form's speed-up."""
    return [
        {"form": form, "threads": threads, **latency.to_json(), **comparison.to_json()}
        for threads, (named, comparison) in timings.items()
        for form, latency in named.items()
    ]
