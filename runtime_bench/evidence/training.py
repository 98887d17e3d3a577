"""How fast networks train: which of them, the table, and the study's options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from runtime_bench.evidence.studies import study
from runtime_bench.measuring.machine import read_machine
from runtime_bench.measuring.options import Json
from runtime_bench.measuring.tables import protocol_lines
from sr_models.ground.console import GateNotMet, print_table, progress, say, write_json
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.networks.presets import PRESETS, Preset, get_preset, list_presets

if TYPE_CHECKING:
    from runtime_bench.evidence.training_speed import TrainingSpeed

LARGEST_PARAMETERS = 1_000_000
"""Of networks that were not asked for by name."""


def select_presets(patterns: Sequence[str] = ()) -> list[Preset]:
    """Presets by name or shell pattern; without any one of each family, none of them large.

    Raises:
        UnknownModelError: A pattern matches nothing.
    """
    if not patterns:
        return _one_of_each_family()
    names: dict[str, None] = {}
    for pattern in patterns:
        names.update(dict.fromkeys(list_presets(pattern) or [get_preset(pattern).name]))
    return [PRESETS[name] for name in names]


def _one_of_each_family() -> list[Preset]:
    chosen: dict[str, Preset] = {}
    for preset in PRESETS.values():
        if preset.parameters is None or preset.parameters > LARGEST_PARAMETERS:
            continue
        former = chosen.get(preset.family)
        if former is None or (former.scale != 3 and preset.scale == 3):
            chosen[preset.family] = preset
    return [chosen[family] for family in sorted(chosen)]


def print_training(results: Sequence[TrainingSpeed]) -> None:
    """One row per network."""
    rows = [
        [
            found.preset,
            found.family,
            found.optimizer,
            found.batch_size,
            found.patch_size,
            found.steps,
            f"{found.steps_per_second:.2f}",
            f"{found.step_ms:.1f}",
            f"{100.0 * found.waiting_fraction:.2f}",
        ]
        for found in results
    ]
    columns = [
        "network",
        "family",
        "optimizer",
        "batch",
        "patch",
        "steps",
        "steps per second",
        "median ms",
        "waiting for data, %",
    ]
    print_table("Training", columns, rows)


@study("training")
def training(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATTERN]...",
            help="Names of presets, or shell patterns.",
            show_default="one network of each family, at x3 where there is one, without the large "
            "ones",
        ),
    ] = None,
    *,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Training pictures.", show_default="scikit-image's pictures"
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps that count, at most.")] = 50,
    warmup: Annotated[int, typer.Option(help="Steps before them.")] = 10,
    seconds: Annotated[float, typer.Option(help="Time budget of the steps of a network.")] = 30.0,
    max_waiting: Annotated[
        float | None, typer.Option(help="Gate: largest share of the time waiting for data, 0..1.")
    ] = None,
    json: Json = None,
) -> None:
    """Time the training of networks by their recipes, and the share spent waiting for data.

    Exit status 1 where a gate is not met.

    [bold]Examples[/bold]

    \b
    sr-bench evidence training
    sr-bench evidence training 'xlsr*' abpn_x3 --data pictures --max-waiting 0.05
    sr-bench evidence training xlsr_x3 --steps 200 --seconds 60 --json -
    """
    machine = read_machine()
    import_tensorflow_quietly()
    import tensorflow as tf

    from runtime_bench.evidence.training_speed import Pace, time_presets

    presets = select_presets(patterns or [])
    pace = Pace(warmup=warmup, steps=steps, seconds=seconds)
    with progress("training", unit="networks") as update:
        results = time_presets(presets, data=data, pace=pace, on_network=update)
    devices = [device.name for device in tf.config.list_logical_devices()]
    write_json(
        {
            "results": [result.to_json() for result in results],
            "devices": devices,
            "machine": machine.to_json(),
        },
        json,
    )
    if json != "-":
        print_training(results)
    for line in protocol_lines(machine, f"TensorFlow {tf.__version__}, {', '.join(devices)}"):
        say(line)
    limit = 1.0 if max_waiting is None else max_waiting
    late = [result.preset for result in results if result.waiting_fraction > limit]
    if late:
        raise GateNotMet(f"gate not met: max-waiting {limit:g}; {', '.join(late)} waited longer")
