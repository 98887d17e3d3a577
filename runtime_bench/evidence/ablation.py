"""What each choice of a calibration does, one changed at a time.

The figures that judge are *simulated*: activations on the eight-bit grids of the set's ranges,
weights in float, on pictures that calibration has not seen, against the float network's own
saturated output. No ground truth is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from runtime_bench.evidence.studies import study
from sr_models.ground.console import print_table, progress, say, write_json
from sr_models.ground.errors import CalibrationError, OptionError
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.ground.options import (
    Images,
    Inputs,
    Json,
    LowResolution,
    Name,
    OpenTail,
    require_one_kind,
    require_open_tail,
)
from sr_models.ground.picture_files import inputs_of
from sr_models.importing.source_options import SourceOptions, takes_source
from sr_models.quantization.contract import PureContract

if TYPE_CHECKING:
    from representative_data.dataset import RepresentativeDataset
    from representative_data.tiles import Tile


@dataclass(frozen=True)
class CalibrationChoice:
    """Every choice of a calibration; the defaults are those of `sr-calibrate`.

    Attributes:
        pictures: Number of tiles.
        taming: How pictures are changed; `"natural"` leaves them as they are, without anchors.
        target: Whether each picture has a change of its own, or the set shares one.
        anchors: Whether made pictures span the input.
        max_passes: Forward passes before a picture is dropped.
        tile_side: Side of a tile in input pixels.
        seed: Seed of the choice of tiles.
    """

    pictures: int = 64
    taming: str = "contrast"
    target: str = "picture"
    anchors: bool = True
    max_passes: int = 10
    tile_side: int = 96
    seed: int = 0


VARIED: dict[str, tuple[Any, ...]] = {
    "pictures": (1, 4, 16, 256),
    "taming": ("natural", "select", "intensity", "blur"),
    "target": ("set",),
    "anchors": (False,),
    "max_passes": (2, 5),
    "tile_side": (48, 144),
    "seed": (1, 2, 3),
}
"""Values that each choice takes besides its default."""


@dataclass(frozen=True)
class AblationRow:
    """One choice and what came of it.

    Attributes:
        varied: Name of the choice that differs from the base; empty for the base itself.
        choice: All choices.
        counts: Pictures by status.
        passes: Forward passes through the network per natural picture, anchors included.
        input_range: Union of the inputs of the set.
        output_range: Union of the float outputs of the set.
        contract: What the set alone makes of the codes.
        saturating_fraction: Largest share of a tensor's activations that saturates under the held
            out pictures.
        pure_fidelity_db: Simulated fidelity where the set decides every range, codes read as
            pixels.
        fidelity_db: The same where the input and the output are pinned to [0, 1], as by default.
        failure: Why there is no set; then the rest is `None`.
    """

    varied: str
    choice: CalibrationChoice
    counts: dict[str, int] | None = None
    passes: float | None = None
    input_range: tuple[float, float] | None = None
    output_range: tuple[float, float] | None = None
    contract: PureContract | None = None
    saturating_fraction: float | None = None
    pure_fidelity_db: float | None = None
    fidelity_db: float | None = None
    failure: str = ""

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "contract": self.contract and self.contract.to_json()}


def choices(base: CalibrationChoice, varied: Sequence[str]) -> list[tuple[str, CalibrationChoice]]:
    """The base, then one choice after another changed: (name of what is varied, all choices).

    Raises:
        OptionError: A name that is no choice.
    """
    unknown = [name for name in varied if name not in VARIED]
    if unknown:
        raise OptionError(
            f"expected choices of {', '.join(VARIED)}, found {', '.join(unknown)}; see --help"
        )
    found = [("", base)]
    for name in varied:
        for value in VARIED[name]:
            changed = replace(base, **{name: value})
            if changed != base:
                found.append((name, changed))
    return found


def ablate(
    model,
    *,
    network: str,
    scale: int,
    cut: Callable[[CalibrationChoice], list[Tile]],
    held_out: Sequence[np.ndarray],
    base: CalibrationChoice = CalibrationChoice(),
    varied: Sequence[str] = tuple(VARIED),
    on_row: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> list[AblationRow]:
    """Calibrate with one choice changed at a time.

    Args:
        model: Float, clip-free network, input and output in 0..1.
        network: Its name, for the records.
        scale: Its scale factor.
        cut: Makes the tiles that a choice asks for.
        held_out: uint8 (h, w, 3) pictures of one size that no calibration has seen.
        base: What stays as it is.
        varied: Names of the choices to vary, see `VARIED`.
        on_row: Called with rows done, the total and what comes next.
    """
    rows = []
    planned = choices(base, varied)
    for name, choice in planned:
        on_row(len(rows), len(planned), f"{name} {getattr(choice, name)}" if name else "base")
        tiles = cut(choice)
        try:
            dataset = _build(model, tiles, choice, network=network, scale=scale)
        except CalibrationError as error:
            rows.append(AblationRow(name, choice, failure=str(error)))
        else:
            rows.append(
                _judge(name, choice, model=model, tiles=tiles, dataset=dataset, held_out=held_out)
            )
    return rows


def _build(
    model, tiles, choice: CalibrationChoice, *, network: str, scale: int
) -> RepresentativeDataset:
    from representative_data.cfqp import CfqpSettings, build_cfqp_dataset, build_natural_dataset
    from representative_data.choices import Taming

    if choice.taming == "natural":
        return build_natural_dataset(model, tiles, network=network, scale=scale)
    taming = Taming(choice.taming, max_passes=choice.max_passes, target=choice.target)
    settings = CfqpSettings(taming=taming, anchors=choice.anchors)
    return build_cfqp_dataset(model, tiles, network=network, scale=scale, settings=settings)


def _judge(
    varied: str,
    choice: CalibrationChoice,
    *,
    model,
    tiles: Sequence[Tile],
    dataset: RepresentativeDataset,
    held_out: Sequence[np.ndarray],
) -> AblationRow:
    from representative_data.report import pure_contract
    from representative_data.saturation import compare_layers
    from runtime_bench.evidence.simulation import simulate_activations, simulated_fidelity_db
    from sr_models.networks.graph import INPUT

    comparison = compare_layers(model, held_out, dataset.pictures)
    ranges = {layer.tensor: layer.set for layer in comparison.layers}
    outputs = [layer.tensor for layer in comparison.layers if layer.is_output]
    pinned = {**ranges, **dict.fromkeys((INPUT, *outputs), (0.0, 1.0))}
    pure, default = (
        simulated_fidelity_db(simulate_activations(model, some), model, held_out)
        for some in (ranges, pinned)
    )
    return AblationRow(
        varied,
        choice,
        counts={s: dataset.count(s) for s in ("natural", "kept", "tamed", "dropped", "anchor")},
        passes=dataset.forward_passes / len(tiles),
        input_range=dataset.input_range,
        output_range=dataset.output_range,
        contract=pure_contract(dataset),
        saturating_fraction=comparison.worst.saturating_fraction,
        pure_fidelity_db=pure,
        fidelity_db=default,
    )


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


@study("ablation")
@takes_source
def ablation(
    name: Name,
    *,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHOICE",
            show_default="all",
            help="pictures, taming, target, anchors, max_passes, tile_side or seed; repeatable.",
        ),
    ] = None,
    images: Images = None,
    inputs: Inputs = None,
    tail: OpenTail = "relu",
    pictures: Annotated[int, typer.Option(help="Number of tiles where it is not varied.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed where it is not varied.")] = 0,
    low_resolution: LowResolution = False,
    source: SourceOptions,
    json: Json = None,
):
    """Calibrate with one choice after another changed, and print what each does.

    Fidelity is simulated (eight-bit activations, float weights) on scikit-image's held-out
    pictures, or with --inputs on a fifth of yours. Scale errors are those of input and output under
    --pure, in units of the pixel contract's tolerance (1/510): from -1 to 1, codes are pixels.

    [bold]Examples[/bold]

    \b
    sr-bench evidence ablation xlsr_x3
    sr-bench evidence ablation xlsr_x3 --vary taming --vary anchors --images photos --json -
    """
    require_open_tail(tail)
    inputs_of(images, inputs, option="--images")
    require_one_kind(low_resolution=low_resolution, inputs=inputs)
    import_tensorflow_quietly()
    from representative_data.choices import require_usable
    from representative_data.pictures import open_subject

    base, varied = CalibrationChoice(pictures=pictures, seed=seed), vary or list(VARIED)
    choices(base, varied)
    require_usable(count=pictures, side=base.tile_side, seed=seed)
    subject = open_subject(
        name,
        images=images,
        tail=tail,
        low_resolution=low_resolution,
        inputs=inputs,
        hold_out=True,
        options=source,
    )
    network = subject.network
    held_out, apart = subject.held_out(side=base.tile_side)
    with progress("calibrating", unit="choices") as update:
        rows = ablate(
            subject.model,
            network=network.name,
            scale=network.scale,
            cut=lambda choice: subject.tiles(
                count=choice.pictures, side=choice.tile_side, seed=choice.seed
            ),
            base=base,
            varied=varied,
            held_out=held_out,
            on_row=update,
        )
    protocol = f"simulated: eight-bit activations, float weights; {apart}, tail {tail}"
    write_json(
        {"model": name, "tail": tail, "protocol": protocol, "rows": [r.to_json() for r in rows]},
        json,
    )
    if json != "-":
        print_table(f"calibration of {name}", COLUMNS, [table_row(row) for row in rows])
    say(protocol)


def table_row(row: AblationRow) -> list[str]:
    """A row as cells, see `COLUMNS`."""
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
