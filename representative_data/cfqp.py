"""CFQP: clip-free quantization by tamed representative images, reconstructed.

Kalay, Bilecen and Ayazoglu, "Towards Clip-Free Quantized Super-Resolution Networks: How to Tame
Representative Images", BMVC 2023 (arXiv 2308.11365). Published are the claim and its means: the
images of the representative dataset are augmented using nothing but the outputs of the float
network, and clipped activations become needless without retraining. The steps themselves are not
public. What follows is our reconstruction:

1. probe: run the float network on natural low-resolution pictures and note the output range;
2. tame: change each picture whose output leaves [0, 1] until it fits (`taming.py`);
3. anchor: add made pictures so that the inputs still touch 0 and 1 exactly, while the outputs end
   at 1 (`anchors.py`).

No ground truth and no tensor inside of the network is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from representative_data.anchors import find_anchors
from representative_data.choices import Taming
from representative_data.dataset import Record, RepresentativeDataset
from representative_data.probe import OutputProbe, OutputProber
from representative_data.taming import fits, tame
from representative_data.tiles import Tile, require_varied
from sr_models.ground.arguments import (
    a_flag,
    a_network,
    a_text,
    of_type,
    require_fields,
    several,
    takes,
    whole_number,
)
from sr_models.ground.errors import AnchorError, CalibrationError
from sr_models.ground.files import tool_versions
from sr_models.ground.pixel_range import PIXEL_TOLERANCE
from sr_models.networks.network import weights_sha256
from sr_models.networks.pixel_range import require_unit_pixels

_LEAST_ANSWER = 0.05


def why_untamable(
    probe: Callable[[Sequence[np.ndarray]], OutputProbe],
    nearest: Record,
    taming: Taming,
    *,
    side: int,
    channels: int = 3,
) -> str:
    """The reason and the cure, to end a message with.

    Args:
        probe: Maps pictures to the ranges of their outputs.
        nearest: The picture that came nearest to fitting.
        taming: How it was tried.
        side: Height and width of the pictures that are asked about, in pixels.
        channels: 3 for RGB, 1 for luma.
    """
    flats = [np.full((side, side, channels), value, np.uint8) for value in (0, 128, 255)]
    ranges = probe(flats)
    lows, highs = ranges.minimum.min(axis=1), ranges.maximum.max(axis=1)
    middles = (lows + highs) / 2.0
    if middles[2] - middles[0] < _LEAST_ANSWER:
        return (
            f"black is answered with {middles[0]:.3f} and white with {middles[2]:.3f}, so no "
            "change of a picture moves the output: train the network, or load its weights"
        )
    if taming.method == "select":
        return "selection changes nothing: give calmer pictures, or --taming contrast"
    if taming.method == "intensity" and nearest.output_after[0] < 0.0 and taming.aim > 0.0:
        return (
            "a factor cannot lift what is below 0: give --taming contrast, or --tail relu, "
            "which bounds outputs below"
        )
    if not any(fits(low, high) for low, high in zip(lows, highs)):
        return (
            f"even flat black is answered with {lows[0]:.3f}..{highs[0]:.3f} and flat grey with "
            f"{lows[1]:.3f}..{highs[1]:.3f}: train the network longer, or on pixels of 0..1"
        )
    return "flat pictures do fit: give calmer pictures, more --max-passes, or --taming contrast"


@dataclass(frozen=True)
class CfqpSettings:
    """The choices that the paper leaves open.

    Attributes:
        taming: How pictures are made to fit.
        anchors: Whether made pictures span the input's range.
    """

    taming: Taming = Taming()
    anchors: bool = True

    def __post_init__(self):
        a_taming = of_type(Taming, cure="give representative_data.Taming()")
        require_fields(self, taming=a_taming, anchors=a_flag)


_TILES = several(of_type(Tile, cure="make them with representative_data.load_tiles"), what="tiles")


@takes(model=a_network, tiles=_TILES, network=a_text, scale=whole_number(1))
def build_natural_dataset(
    model,
    tiles: Sequence[Tile],
    *,
    network: str,
    scale: int,
    choices: Mapping[str, Any] | None = None,
) -> RepresentativeDataset:
    """The pictures as they are: what everybody calibrates with, and the baseline.

    Args:
        model: Float network, input and output in 0..1.
        tiles: Calibration pictures.
        network: Name of the network, for the record.
        scale: Its scale factor.
        choices: How the tiles were made, for the record.
    """
    pixels = [tile.pixels for tile in tiles]
    require_varied(pixels)
    probe = OutputProber(model)
    require_unit_pixels(probe.answer, pixels)
    ranges = probe(pixels)
    low, high = ranges.minimum.min(axis=1).tolist(), ranges.maximum.max(axis=1).tolist()
    records = [
        Record(t.source, t.source_sha256, t.top, t.left, "natural", 1.0, 0.0, 0.0, (a, b), (a, b))
        for t, a, b in zip(tiles, low, high)
    ]
    return RepresentativeDataset(
        pictures=pixels,
        records=records,
        method="natural",
        network=network,
        weights_sha256=weights_sha256(model),
        scale=scale,
        settings=_recorded(choices),
        forward_passes=probe.forward_passes,
    )


def _outside(output: tuple[float, float]) -> float:
    """How far an output range leaves [0, 1]."""
    return max(-output[0], output[1] - 1.0, 0.0)


def _recorded(choices: Mapping[str, Any] | None, **settings: Any) -> dict[str, Any]:
    versions = tool_versions(("tensorflow", "numpy", "pillow", "scikit-image"))
    return {**settings, **(choices or {}), "versions": versions}


@takes(
    model=a_network,
    tiles=_TILES,
    network=a_text,
    scale=whole_number(1),
    settings=of_type(CfqpSettings, cure="give representative_data.CfqpSettings()"),
)
def build_cfqp_dataset(
    model,
    tiles: Sequence[Tile],
    *,
    network: str,
    scale: int,
    settings: CfqpSettings = CfqpSettings(),
    choices: Mapping[str, Any] | None = None,
    on_pass: Callable[[int, int], None] = lambda done, total: None,
    on_no_anchors: Callable[[], None] | None = None,
) -> RepresentativeDataset:
    """Tamed pictures and anchors for a float network.

    Args:
        model: Float, clip-free network, input and output in 0..1.
        tiles: Natural low-resolution pictures.
        network: Name of the network, for the record.
        scale: Its scale factor.
        settings: The recipe's choices.
        choices: How the tiles were made, for the record.
        on_pass: Called after each taming pass with the number of settled pictures and the total.
        on_no_anchors: Called where no anchor can be made, and the set goes without; by default
            that is an error.

    Raises:
        AnchorError: No anchor can be made, and `on_no_anchors` is not given.
        CalibrationError: Nothing but flat pictures, a network on 0..255, outputs that are not
            finite, no picture that could be tamed (the message says why), or no anchor.
    """
    pixels = [tile.pixels for tile in tiles]
    require_varied(pixels)
    probe = OutputProber(model)
    require_unit_pixels(probe.answer, pixels)
    tamed = tame(pixels, probe, settings.taming, on_pass=on_pass)
    pictures, records, dropped = [], [], []
    for tile, result in zip(tiles, tamed):
        record = Record(
            tile.source,
            tile.source_sha256,
            tile.top,
            tile.left,
            result.status,
            result.gain,
            result.offset,
            result.blur_sigma,
            result.before,
            result.after,
            result.passes,
        )
        if result.status == "dropped":
            dropped.append(record)
        else:
            pictures.append(result.pixels)
            records.append(record)
    if not pictures:
        nearest = min(dropped, key=lambda record: _outside(record.output_after))
        low, high = nearest.output_after
        side, _, channels = tiles[0].pixels.shape
        raise CalibrationError(
            "expected pictures whose output can be led into [0, 1], found none: the nearest, "
            f"{nearest.source}, still gives {low:.3f}..{high:.3f} after {nearest.passes} passes; "
            + why_untamable(probe, nearest, settings.taming, side=side, channels=channels)
        )
    if settings.anchors:
        # Of the tiles' size: a converter takes one size for all samples.
        side, _, channels = tiles[0].pixels.shape
        try:
            made = find_anchors(probe, side=side, tolerance=PIXEL_TOLERANCE, channels=channels)
        except AnchorError:
            if on_no_anchors is None:
                raise
            on_no_anchors()
            made, settings = [], replace(settings, anchors=False)
        for anchor in made:
            pictures.append(anchor.pixels)
            records.append(
                Record(anchor.name, "", 0, 0, "anchor", 1.0, 0.0, 0.0, anchor.output, anchor.output)
            )
    return RepresentativeDataset(
        pictures=pictures,
        records=records + dropped,
        method="cfqp",
        network=network,
        weights_sha256=weights_sha256(model),
        scale=scale,
        settings=_recorded(choices, **asdict(settings)),
        forward_passes=probe.forward_passes,
    )
