"""Where a network to export comes from: a preset's name, a file, a folder, or a Python function."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sr_models.ground.errors import NetworkError, OptionError, require_known
from sr_models.ground.files import file_sha256
from sr_models.importing.adoption import PIXELS, Adopted, adopt
from sr_models.importing.keras_files import load_keras_file
from sr_models.importing.python_functions import load_python_network
from sr_models.importing.saved_models import load_saved_model
from sr_models.networks.network import load_trunk
from sr_models.networks.pixel_range import find_pixel_range, with_unit_pixels
from sr_models.networks.presets import Preset, get_preset, list_presets
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
_FILES = (".keras", ".h5", ".hdf5")


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


def open_source(
    source: str,
    *,
    weights: str | Path | None = None,
    trust: bool = False,
    pixels: str | None = None,
    pictures: Callable[[], Sequence[np.ndarray]] = tuple,
) -> SourceNetwork:
    """Open a network by whatever names it.

    Args:
        source: Preset name; path of a `.keras` or `.h5` file or of a SavedModel folder; or
            `module:function`.
        weights: A preset's weights from another file.
        trust: Whether Lambda layers of a Keras file that we do not know may run their code.
        pixels: What black and white are for a network of the user's, one of
            `sr_models.importing.adoption.PIXELS`; found by itself by default.
        pictures: Returns uint8 (h, w, 3) natural pictures to find it by.

    Raises:
        UnknownModelError: Neither a preset nor a path.
        WeightsError: A preset's weights are missing or damaged.
        NetworkError: The user's network cannot be read or rebuilt.
        OptionError: Options that do not go with the source.
    """
    kind = kind_of(source)
    if pixels is not None:
        require_known("pixels", pixels, PIXELS)
    if kind == "preset":
        preset = get_preset(source)
        trunk, notes = load_unit_trunk(preset, weights=weights, pictures=pictures)
        return SourceNetwork(
            preset.name,
            preset.scale,
            trunk,
            family=preset.family,
            config=preset.config,
            notes=notes,
        )
    if weights is not None:
        raise OptionError(
            f"expected --weights with a preset, found {source}, which brings its own; leave it out"
        )
    name = _name_of(source)
    asked = {"name": name, "pixels": pixels}
    if kind == "python":
        loaded = load_python_network(source)
        written, sha256 = "Python", loaded.file and file_sha256(loaded.file)
        adopted = adopt(loaded.function, loaded.input_shape, pictures(), **asked)
    elif kind == "saved_model":
        loaded = load_saved_model(source)
        written, sha256 = "SavedModel", _folder_sha256(Path(source))
        adopted = adopt(
            loaded.function, loaded.input_shape, pictures(), dtype=loaded.dtype, **asked
        )
    else:
        loaded = load_keras_file(source, trust=trust)
        written, sha256 = loaded.version, file_sha256(source)
        adopted = adopt(loaded.function, loaded.input_shape, pictures(), **asked)
    origin = _origin(source, written, sha256, adopted, trust=trust)
    return SourceNetwork(
        name,
        adopted.scale,
        adopted.trunk,
        channels=adopted.channels,
        origin=origin,
        notes=adopted.notes,
    )


def kind_of(source: str) -> str:
    """`"preset"`, `"python"`, `"saved_model"` or `"keras"`, by the name and what lies there.

    Raises:
        NetworkError: A path that is missing, or of something else.
    """
    path = Path(source)
    if source in list_presets():
        return "preset"
    if path.is_dir():
        return "saved_model"
    if path.suffix.lower() == ".tflite":
        raise NetworkError(
            f"expected a float network, found a TFLite file {source}; take its clip out with: "
            "sr-export strip"
        )
    if path.is_file():
        return "keras"
    if ":" in source:
        return "python"
    if path.suffix.lower() in _FILES or "/" in source or "\\" in source:
        raise NetworkError(
            f"expected a preset's name, a .keras or .h5 file, a SavedModel folder or "
            f"module:function, found no file {source}; check the path"
        )
    return "preset"


def _name_of(source: str) -> str:
    if kind_of(source) == "python":
        return source.rpartition(":")[2]
    path = Path(source)
    return path.resolve().name if path.is_dir() else path.stem


def _folder_sha256(folder: Path) -> str:
    """Hash over the names and contents of all files of a folder."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _origin(
    source: str, written: str, sha256: str | None, adopted: Adopted, *, trust: bool
) -> dict[str, Any]:
    white = adopted.pixels
    return {
        "kind": written,
        "source": source if ":" in source and not Path(source).exists() else Path(source).name,
        "sha256": sha256,
        "licence": LICENCE,
        "trusted": trust,
        "pixels_in": [white.input_black, white.input],
        "pixels_out": [white.output_black, white.output],
        "done": list(adopted.notes),
    }
