"""Where a network comes from: a preset's name, a file, a folder, a function, or a Keras model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sr_models.ground.arguments import (
    a_function,
    a_picture,
    refusal,
    several,
    takes,
)
from sr_models.ground.bundled import bundled_pieces
from sr_models.ground.errors import OptionError
from sr_models.importing.adoption import Adopted, adopt
from sr_models.importing.found_sources import Found, found_source
from sr_models.importing.source_check import Source
from sr_models.importing.source_options import SourceOptions
from sr_models.networks.network import load_trunk
from sr_models.networks.pixel_range import find_pixel_range, with_unit_pixels
from sr_models.networks.presets import Preset, get_preset
from sr_models.networks.tails import attach_tail
from sr_models.tflite.metadata import is_near


def load_unit_trunk(
    preset: Preset, *, weights: str | Path | None, pictures: Callable[[], Sequence[np.ndarray]]
) -> tuple[Any, tuple[str, ...]]:
    """A preset's trunk for pixels of 0..1, and what had to be done for that, in sentences.

    Args:
        preset: Which network.
        weights: A `.weights.h5` file; the shipped weights, which are for 0..1, by default.
        pictures: Returns uint8 (h, w, 3) natural pictures to tell by.

    Raises:
        CalibrationError: A network of another range that cannot be rewritten.
        WeightsError: See `sr_models.networks.network.load_trunk`.
    """
    trunk = load_trunk(preset, weights=weights)
    if weights is None or not (seen := pictures()):
        return trunk, ()
    model = attach_tail(trunk, "none", scale=preset.scale)
    white = find_pixel_range(lambda batch: model(batch, training=False), seen)
    if white.is_unit:
        return trunk, ()
    return with_unit_pixels(trunk, white), (f"{white} (found by its outputs); rewritten for 0..1",)


LICENCE = "unknown, given by the user"
_LEAST_SIDE = 8


@dataclass(frozen=True)
class SourceNetwork:
    """A network that is ready to be calibrated and converted.

    Attributes:
        name: A preset's, or made from the file's.
        scale: Scale factor s.
        trunk: Keras model, (N, H, W, C) in 0..1 -> (N, H, W, C s^2), without a clip.
        channels: C: 3 for RGB, 1 for luma.
        family: Of a preset; `None` for a network of the user's.
        config: Of a preset; `None` for a network of the user's.
        origin: Where a network of the user's came from and what was done to it, for the manifest;
            `None` for a preset.
        notes: The same for people, one sentence each.
    """

    name: str
    scale: int
    trunk: Any
    channels: int = 3
    family: str | None = None
    config: Mapping[str, Any] | None = None
    origin: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """What tables call it: a preset's name, a file's with its suffix, or `module:function`."""
        return self.name if self.origin is None else str(self.origin["source"])


def a_natural_set(name: str, value: Any) -> None:
    """Raise `OptionError` for anything but uint8 (h, w, 3) pictures of 8 pixels a side or more."""
    several(a_picture, what="uint8 pictures (h, w, 3)")(name, value)
    for place, found in enumerate(value):
        if min(found.shape[:2]) < _LEAST_SIDE or found.shape[2] != 3:
            raise refusal(
                f"{name}[{place}]",
                f"RGB of at least {_LEAST_SIDE} pixels a side",
                found,
                "give natural pictures, or leave them out",
            )


@takes(pictures=a_function)
def open_network(
    source: Any,
    *,
    weights: str | Path | None = None,
    trust: bool = False,
    dequantize: bool = False,
    pixels: str | None = None,
    pictures: Callable[[], Sequence[np.ndarray]] = bundled_pieces,
    input: str | int | None = None,
    output: str | int | None = None,
    signature: str | None = None,
) -> SourceNetwork:
    """Open a network by whatever names it, or take the one that you hold.

    A network of the user's is brought into the form that is exported: its output clip is taken out
    and it is rewritten for pixels of 0..1, proven equal.

    Args:
        source: Preset name; path of a `.keras`, `.h5`, `.onnx`, `.tflite` or `.pb` file or of a
            SavedModel folder; `module:function`; or a Keras model in memory (tf_keras or Keras 3),
            of one picture (N, H, W, C) -> (N, H s, W s, C). An opened network is returned as it is.
        weights: A preset's weights from another file.
        trust: Whether Lambda layers of a Keras file that we do not know may run their code.
        dequantize: Whether a TFLite file of integers is taken back to real numbers, which does not
            bring back what its integers have lost.
        pixels: What black and white are for a network of the user's, one of
            `sr_models.importing.source_kinds.PIXELS`; found by itself by default.
        pictures: Returns uint8 (h, w, 3) natural pictures to find it by; scikit-image's by default.
        input: Name or number of the input that takes the picture, where a graph has several.
        output: Name or number of the output that is the upscaled picture, where there are several.
        signature: Name of the signature of a SavedModel that is the network.

    Raises:
        UnknownModelError: Neither a preset nor a path.
        WeightsError: A preset's weights are missing or damaged.
        NetworkError: The user's network cannot be read or rebuilt, or is no Keras model.
        OptionError: Options that do not go with the source.
    """
    options = SourceOptions(weights, pixels, trust, input, output, signature, dequantize)
    if isinstance(source, SourceNetwork):
        if given := options.given:
            raise OptionError(
                f"expected {given[0]} with what names a network, found {source}, which is opened; "
                "give it to open_network"
            )
        return source
    if isinstance(source, (str, Path)):
        source = str(source)
        if options.require(source) == "preset":
            return _open_preset(source, weights=weights, pictures=pictures)
    else:
        options.require_in_memory()
    found = found_source(source, options)
    seen = pictures()
    a_natural_set("pictures", seen)
    adopted = adopt(
        found.function,
        found.input_shape,
        seen,
        name=found.name,
        pixels=pixels,
        dtype=found.dtype,
        source=found.run,
    )
    return SourceNetwork(
        found.name,
        adopted.scale,
        adopted.trunk,
        channels=adopted.channels,
        origin=_origin(found, adopted, trust=trust),
        notes=(*found.notes, *adopted.notes, *_contradiction(found, adopted)),
    )


def _open_preset(
    name: str, *, weights: str | Path | None, pictures: Callable[[], Sequence[np.ndarray]]
) -> SourceNetwork:
    preset = get_preset(name)
    trunk, notes = load_unit_trunk(preset, weights=weights, pictures=pictures)
    return SourceNetwork(
        preset.name, preset.scale, trunk, family=preset.family, config=preset.config, notes=notes
    )


def read_unrun(
    source: str, *, pictures: Callable[[], Sequence[np.ndarray]] = bundled_pieces
) -> tuple[Adopted, tuple[str, ...]]:
    """Read a file as `open_network` does, without running it; what is to be said of it, too.

    Raises:
        NetworkError: See `open_network`.
    """
    found = found_source(source)
    unrun = Source(reason="nothing of it was run")
    adopted = adopt(
        found.function,
        found.input_shape,
        pictures(),
        name=found.name,
        dtype=found.dtype,
        source=unrun,
    )
    return adopted, (*found.notes, *adopted.notes[:-1])


def _contradiction(found: Found, adopted: Adopted) -> tuple[str, ...]:
    """What a file's metadata says of its pixels, where it was found otherwise."""
    declared = found.declared
    if declared is None or is_near(declared, adopted.pixels.input_ends):
        return ()
    return (f"its metadata says {declared} for the input; --pixels overrules what was found",)


def _origin(found: Found, adopted: Adopted, *, trust: bool) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "source": found.source,
        "sha256": found.sha256,
        "licence": LICENCE,
        "trusted": trust,
        **adopted.pixels.to_json(),
        "check": adopted.check.to_json(),
        "source_ranges": adopted.source_ranges,
        "done": [*found.notes, *adopted.notes, *_contradiction(found, adopted)],
    }
