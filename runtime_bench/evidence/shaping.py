"""How long shaping a set takes, beside a bare forward pass over the same pictures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime_bench.evidence.studies import study
from sr_models.ground.console import GateNotMet, print_table, progress, write_json
from sr_models.ground.errors import OptionError
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.options import (
    Images,
    Inputs,
    Json,
    Name,
    Pictures,
    TileSide,
)
from sr_models.ground.picture_files import inputs_of
from sr_models.importing.source_options import SourceOptions, takes_source

if TYPE_CHECKING:
    from representative_data.tiles import Tile


@dataclass(frozen=True)
class CalibrationSpeed:
    """Interleaved timings of a calibration and of one forward pass, same pictures.

    Attributes:
        pictures: Number of natural pictures.
        tile_side: Their height and width in pixels.
        shaping_s: Probing, taming and anchors, in seconds, one value a round; tracing included.
        judging_s: The report: all layers on the set and on the natural pictures.
        forward_s: The network on all natural pictures once, in the same batches, already traced.
        shaping_passes: Pictures that went through the network to shape the set, per picture.
        judging_passes: The same for the report.
    """

    pictures: int
    tile_side: int
    shaping_s: tuple[float, ...]
    judging_s: tuple[float, ...]
    forward_s: tuple[float, ...]
    shaping_passes: float
    judging_passes: float

    @property
    def passes(self) -> float:
        """Forward passes per picture, all together."""
        return self.shaping_passes + self.judging_passes

    def per_hundred_s(self, name: str) -> float:
        """Median of `shaping`, `judging` or `forward`, in seconds per 100 pictures."""
        return statistics.median(getattr(self, f"{name}_s")) * 100 / self.pictures

    def to_json(self) -> dict[str, Any]:
        """Seconds per 100 pictures, passes, and how many forward passes the time is worth."""
        seconds = {
            f"{name}_s_per_100_pictures": self.per_hundred_s(name)
            for name in ("shaping", "judging", "forward")
        }
        return {
            "pictures": self.pictures,
            "tile_side": self.tile_side,
            "rounds": len(self.forward_s),
            **seconds,
            "shaping_over_forward": seconds["shaping_s_per_100_pictures"]
            / seconds["forward_s_per_100_pictures"],
            "shaping_passes_per_picture": self.shaping_passes,
            "judging_passes_per_picture": self.judging_passes,
            "passes_per_picture": self.passes,
        }


def time_calibration(
    model,
    tiles: Sequence[Tile],
    *,
    network: str,
    scale: int,
    rounds: int = 3,
    on_round: Callable[[int, int], None] = lambda done, total: None,
) -> CalibrationSpeed:
    """Shape a set, judge it, and run the bare network, taking turns.

    Args:
        model: Float, clip-free network, input and output in 0..1.
        tiles: Natural low-resolution pictures.
        network: Its name, for the records.
        scale: Its scale factor.
        rounds: How often each is timed.
        on_round: Called with rounds done and the total.
    """
    from representative_data.cfqp import build_cfqp_dataset
    from representative_data.probe import OutputProber
    from representative_data.report import build_report

    pixels, forward = [tile.pixels for tile in tiles], OutputProber(model)
    forward(pixels)
    shaped_s, judged_s, passed_s = [], [], []
    for done in range(rounds):
        start = time.perf_counter()
        dataset = build_cfqp_dataset(model, tiles, network=network, scale=scale)
        shaped = time.perf_counter()
        report = build_report(model, tiles, dataset)
        judged = time.perf_counter()
        forward(pixels)
        shaped_s.append(shaped - start)
        judged_s.append(judged - shaped)
        passed_s.append(time.perf_counter() - judged)
        on_round(done + 1, rounds)
    return CalibrationSpeed(
        pictures=len(tiles),
        tile_side=max(p.shape[0] for p in pixels),
        shaping_s=tuple(shaped_s),
        judging_s=tuple(judged_s),
        forward_s=tuple(passed_s),
        shaping_passes=dataset.forward_passes / len(tiles),
        judging_passes=report.comparison.forward_passes / len(tiles),
    )


@study("shaping")
@takes_source
def shaping(
    name: Name,
    *,
    images: Images = None,
    inputs: Inputs = None,
    pictures: Pictures = 100,
    tile_side: TileSide = 96,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.")] = 3,
    source: SourceOptions,
    max_passes_per_picture: Annotated[
        float, typer.Option(help="Gate: forward passes per picture, anchors and report included.")
    ] = 15.0,
    json: Json = None,
):
    """Time shaping a set beside a bare forward pass over the same pictures.

    Exit status 1 where more forward passes were needed than the gate allows.

    [bold]Examples[/bold]

    \b
    sr-bench evidence shaping xlsr_x3
    sr-bench evidence shaping xlsr_x3 --images photos --pictures 200 --json -
    """
    if rounds < 1:
        raise OptionError(f"expected at least 1 round, found {rounds}")
    inputs_of(images, inputs, option="--images")
    import_tensorflow_quietly()
    from representative_data.choices import require_usable
    from representative_data.pictures import open_subject
    from sr_models.ground.files import tool_versions

    require_usable(count=pictures, side=tile_side, seed=0)
    subject = open_subject(name, images=images, inputs=inputs, options=source)
    network, tiles = subject.network, subject.tiles(count=pictures, side=tile_side)
    with progress("calibrating", unit="rounds") as update:
        found = time_calibration(
            subject.model,
            tiles,
            network=network.name,
            scale=network.scale,
            rounds=rounds,
            on_round=update,
        )
    versions = tool_versions(("tensorflow", "numpy"))
    write_json({"model": name, **found.to_json(), "versions": versions}, json)
    if json != "-":
        print_table(
            f"calibration of {name}, {pictures} tiles of {tile_side}x{tile_side}",
            ["step", "seconds per 100 pictures", "forward passes per picture"],
            [
                [
                    "probe, tame, find anchors",
                    f"{found.per_hundred_s('shaping'):.2f}",
                    f"{found.shaping_passes:.2f}",
                ],
                [
                    "judge all layers",
                    f"{found.per_hundred_s('judging'):.2f}",
                    f"{found.judging_passes:.2f}",
                ],
                ["bare forward pass", f"{found.per_hundred_s('forward'):.2f}", "1.00"],
            ],
        )
    if found.passes > max_passes_per_picture:
        raise GateNotMet(
            f"gate not met: max-passes-per-picture {max_passes_per_picture:g}; took "
            f"{found.passes:.1f}; give more pictures, which share the search for anchors"
        )
