"""The verb `sr-calibrate ablate`: what each choice of a calibration does."""

from __future__ import annotations

from typing import Annotated

import typer

from representative_data.options import (
    Images,
    Json,
    LowResolution,
    Name,
    Pixels,
    Tail,
    Trust,
    Weights,
    require_open_tail,
)
from sr_models.ground.console import print_table, progress, say, write_json
from sr_models.ground.native_output import import_tensorflow_quietly

COLUMNS = [
    "varied",
    "value",
    "pictures",
    "passes",
    "inputs",
    "outputs",
    "scale errors",
    "saturating",
    "pure dB",
    "default dB",
]


def ablate(
    name: Name,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHOICE",
            help="pictures, taming, target, anchors, max_passes, tile_side or seed; repeatable. "
            "[default: all]",
        ),
    ] = None,
    images: Images = None,
    tail: Tail = "relu",
    pictures: Annotated[int, typer.Option(help="Number of tiles where it is not varied.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed where it is not varied.")] = 0,
    low_resolution: LowResolution = False,
    weights: Weights = None,
    pixels: Pixels = None,
    trust: Trust = False,
    json: Json = None,
):
    """Calibrate with one choice after another changed, and print what each does.

    Fidelity is simulated (eight-bit activations, float weights) on scikit-image's held-out
    pictures. Scale errors are those of input and output under --pure, in units of the pixel
    contract's tolerance (1/510): from -1 to 1, codes are pixels.

    [bold]Examples[/bold]

    \b
    sr-calibrate ablate xlsr_x3
    sr-calibrate ablate xlsr_x3 --vary taming --vary anchors --images photos --json -
    """
    require_open_tail(tail)
    import_tensorflow_quietly()
    from representative_data.pictures import (
        HELD_OUT,
        bundled_pictures,
        held_out_tiles,
        open_network,
    )
    from representative_data.tiles import load_tiles, require_usable
    from runtime_bench.evidence.ablation import VARIED, Choice, choices
    from runtime_bench.evidence.ablation import ablate as run_ablation
    from sr_models.networks.tails import attach_tail

    base, varied = Choice(pictures=pictures, seed=seed), vary or list(VARIED)
    choices(base, varied)
    require_usable(count=pictures, side=base.tile_side, seed=seed)
    network = open_network(
        name,
        images=images,
        low_resolution=low_resolution,
        weights=weights,
        pixels=pixels,
        trust=trust,
    )
    scale, channels = network.scale, network.channels
    source = bundled_pictures() if images is None else images
    model = attach_tail(network.trunk, tail, scale=scale)
    held_out = held_out_tiles(scale=scale, side=base.tile_side, channels=channels)

    def cut(choice):
        return load_tiles(
            source,
            scale=1 if low_resolution else scale,
            count=choice.pictures,
            side=choice.tile_side,
            seed=choice.seed,
            channels=channels,
        )

    with progress("calibrating", unit="choices") as update:
        rows = run_ablation(
            model,
            network=network.name,
            scale=scale,
            cut=cut,
            base=base,
            varied=varied,
            held_out=held_out,
            on_row=update,
        )
    protocol = f"simulated: eight-bit activations, float weights; {HELD_OUT}, tail {tail}"
    write_json(
        {"model": name, "tail": tail, "protocol": protocol, "rows": [r.to_json() for r in rows]},
        json,
    )
    if json != "-":
        print_table(f"calibration of {name}", COLUMNS, [table_row(row) for row in rows])
    say(protocol)


def table_row(row) -> list[str]:
    """One `runtime_bench.evidence.ablation.AblationRow` as cells."""
    from representative_data.report import share_text, span_text

    value = str(getattr(row.choice, row.varied)) if row.varied else "defaults"
    if row.failure:
        return [row.varied or "base", value, row.failure, *["-"] * (len(COLUMNS) - 3)]
    counts = ", ".join(f"{number} {status}" for status, number in row.counts.items() if number)
    errors = f"{row.contract.input.scale_error:+.2f} {row.contract.output.scale_error:+.2f}"
    return [
        row.varied or "base",
        value,
        counts,
        f"{row.passes:.1f}",
        span_text(row.input_range),
        span_text(row.output_range),
        errors,
        share_text(row.saturating_fraction),
        f"{row.pure_fidelity_db:.2f}",
        f"{row.fidelity_db:.2f}",
    ]
