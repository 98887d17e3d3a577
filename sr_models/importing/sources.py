"""Where a network comes from: a preset's name, a file, a folder, a function, or a Keras model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sr_models.ground.arguments import (
    a_function,
    a_path,
    a_picture,
    a_text,
    optional,
    refusal,
    several,
    takes,
)
from sr_models.ground.bundled import bundled_pieces
from sr_models.ground.errors import require_known
from sr_models.ground.files import file_sha256
from sr_models.importing.adoption import Adopted, adopt
from sr_models.importing.keras_files import load_keras_file
from sr_models.importing.legacy_keras import load_by_legacy_keras
from sr_models.importing.python_functions import (
    LegacyCodeError,
    load_python_network,
    take_keras_model,
)
from sr_models.importing.saved_models import load_saved_model
from sr_models.importing.source_check import Source
from sr_models.importing.source_kinds import PIXELS, given_weights, kind_of, require_source
from sr_models.networks.network import load_trunk
from sr_models.networks.pixel_range import find_pixel_range, with_unit_pixels
from sr_models.networks.presets import Preset, get_preset
from sr_models.networks.tails import attach_tail


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


@takes(weights=optional(a_path), pixels=optional(a_text), pictures=a_function)
def open_network(
    source: Any,
    *,
    weights: str | Path | None = None,
    trust: bool = False,
    dequantize: bool = False,
    pixels: str | None = None,
    pictures: Callable[[], Sequence[np.ndarray]] = bundled_pieces,
) -> SourceNetwork:
    """Open a network by whatever names it, or take the one that you hold.

    A network of the user's is brought into the form that is exported: its output clip is taken out
    and it is rewritten for pixels of 0..1, proven equal.

    Args:
        source: Preset name; path of a `.keras`, `.h5`, `.onnx` or `.tflite` file or of a
            SavedModel folder; `module:function`; or a Keras model in memory (tf_keras or Keras 3),
            of one picture (N, H, W, C) -> (N, H s, W s, C). An opened network is returned as it is.
        weights: A preset's weights from another file.
        trust: Whether Lambda layers of a Keras file that we do not know may run their code.
        dequantize: Whether a TFLite file of integers is taken back to real numbers, which does not
            bring back what its integers have lost.
        pixels: What black and white are for a network of the user's, one of
            `sr_models.importing.source_kinds.PIXELS`; found by itself by default.
        pictures: Returns uint8 (h, w, 3) natural pictures to find it by; scikit-image's by default.

    Raises:
        UnknownModelError: Neither a preset nor a path.
        WeightsError: A preset's weights are missing or damaged.
        NetworkError: The user's network cannot be read or rebuilt, or is no Keras model.
        OptionError: Options that do not go with the source.
    """
    if isinstance(source, SourceNetwork):
        return source
    if isinstance(source, (str, Path)):
        source = str(source)
        kind = require_source(source, weights=weights, pixels=pixels, dequantize=dequantize)
        if kind == "preset":
            return _open_preset(source, weights=weights, pictures=pictures)
    elif weights is not None:
        raise given_weights("a Keras model")
    elif pixels is not None:
        require_known("pixels", pixels, PIXELS)
    found = _found(source, trust=trust, dequantize=dequantize)
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
        notes=(*found.notes, *adopted.notes),
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
    found = _found(source, trust=False, dequantize=False)
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


@dataclass(frozen=True)
class _Found:
    """A network of the user's, before it is adopted: what computes it, and what is known of it."""

    name: str
    kind: str
    source: str
    sha256: str | None
    function: Callable
    input_shape: tuple[int | None, ...]
    dtype: str = "float32"
    run: Source | None = None
    notes: tuple[str, ...] = ()


def _found(source: Any, *, trust: bool, dequantize: bool) -> _Found:
    if not isinstance(source, str):
        made = take_keras_model(source)
        return _Found(made.name, "Python", made.name, None, made.function, made.input_shape)
    kind, place = kind_of(source), Path(source)
    if kind == "python":
        name = source.rpartition(":")[2]
        try:
            made = load_python_network(source)
        except LegacyCodeError as error:
            saved = load_by_legacy_keras(source, error)
            function, shape = saved.function, saved.input_shape
            return _Found(name, "Python, Keras 2", source, None, function, shape, saved.dtype)
        sha256 = made.file and file_sha256(made.file)
        return _Found(name, "Python", source, sha256, made.function, made.input_shape)
    if kind == "saved_model":
        saved = load_saved_model(source)
        function, shape, name = saved.function, saved.input_shape, place.resolve().name
        sha256 = _folder_sha256(place)
        return _Found(name, "SavedModel", place.name, sha256, function, shape, saved.dtype)
    if kind == "onnx":
        return _found_onnx(place)
    if kind == "tflite":
        return _found_tflite(place, dequantize=dequantize)
    read = load_keras_file(source, trust=trust)
    sha256 = file_sha256(source)
    return _Found(
        place.stem,
        read.version,
        place.name,
        sha256,
        read.function,
        read.input_shape,
        run=read.source,
    )


def _found_onnx(place: Path) -> _Found:
    # Its library is loaded for such files alone.
    from sr_models.importing.onnx_file import load_onnx_file

    file = load_onnx_file(place)
    sha256 = _files_sha256(file.files, place.parent) if file.files[1:] else file_sha256(place)
    run = Source(file, file.dtype, what=f"the source itself, by {file.runtime}")
    return _Found(
        place.stem, file.producer, place.name, sha256, file, file.input_shape, file.dtype, run
    )


def _found_tflite(place: Path, *, dequantize: bool) -> _Found:
    # Its library is loaded for such files alone.
    from sr_models.importing.tflite_file import load_tflite_file

    file = load_tflite_file(place, dequantize=dequantize)
    return _Found(
        place.stem,
        file.kind,
        place.name,
        file_sha256(place),
        file,
        file.input_shape,
        file.dtype,
        Source(file, file.dtype, what=file.what_is_run, is_lossy=file.is_integer),
        file.notes,
    )


def _folder_sha256(folder: Path) -> str:
    """Hash over the names and contents of all files of a folder."""
    return _files_sha256([p for p in folder.rglob("*") if p.is_file()], folder)


def _files_sha256(files: Sequence[Path], folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _origin(found: _Found, adopted: Adopted, *, trust: bool) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "source": found.source,
        "sha256": found.sha256,
        "licence": LICENCE,
        "trusted": trust,
        **adopted.pixels.to_json(),
        "check": adopted.check.to_json(),
        "source_ranges": adopted.source_ranges,
        "done": [*found.notes, *adopted.notes],
    }
