"""Build a preset's network and load its weights."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import typing
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sr_models.ground.arguments import a_path, a_text, optional, takes
from sr_models.ground.errors import OptionError, WeightsError
from sr_models.ground.files import file_sha256, writing_file
from sr_models.networks.card import find_card
from sr_models.networks.presets import Preset, get_preset
from sr_models.networks.registry import get_family
from sr_models.networks.tails import attach_tail


def build_trunk(preset: Preset, *, form: str = "deploy"):
    """The untrained trunk of a preset: (N, H, W, 3) in 0..1 -> (N, H, W, 3 s^2).

    Args:
        preset: Which network.
        form: `"deploy"` (the form that runs fastest as a file) or `"train"` (the form that trains
            fastest); the two compute the same function.
    """
    build = get_family(preset.family).build
    return build(_configuration(build, preset), form=form)


def _configuration(build: Callable, preset: Preset) -> Any:
    """What a builder takes first, of the class that its annotation names."""
    (name, *_) = inspect.signature(build).parameters or (None,)
    kind = typing.get_type_hints(build).get(name)
    if not dataclasses.is_dataclass(kind):
        raise OptionError(
            f"expected a builder of {preset.family} whose first argument is annotated with its "
            f"configuration, found {name}: {getattr(kind, '__name__', kind)}; annotate it with a "
            "dataclass"
        )
    try:
        return kind(**preset.config)
    except TypeError as error:
        raise OptionError(
            f"expected a configuration of {kind.__name__} in the preset {preset.name}, found "
            f"{dict(preset.config)} ({error}); give it the fields of the class"
        ) from error


def named_weights(model) -> dict[str, np.ndarray]:
    """Every weight of a Keras model by `layer/variable`, e.g. `first/kernel`."""
    return {
        variable.name.removesuffix(":0"): variable.numpy()
        for layer in model.layers
        for variable in layer.weights
    }


def set_named_weights(model, weights: dict[str, np.ndarray]) -> None:
    """Give a model the weights of `named_weights`; every name and shape must fit."""
    for layer in model.layers:
        for variable in layer.weights:
            name = variable.name.removesuffix(":0")
            if name not in weights or weights[name].shape != tuple(variable.shape):
                found = weights[name].shape if name in weights else "none"
                raise WeightsError(
                    f"expected weights {name} of shape {tuple(variable.shape)}, found {found}; "
                    "these weights belong to another network"
                )
            variable.assign(weights[name])


def convert_form(trunk, preset: Preset, *, form: str, into=None):
    """The same trained function in the other form (exact to float rounding).

    Args:
        trunk: A trunk of `preset` in the form that is not `form`.
        preset: Which network.
        form: The form wanted.
        into: What an earlier call returned for this trunk, to be given its weights of today;
            building a network takes longer than that.
    """
    family = get_family(preset.family)
    transfer = family.to_deploy_form if form == "deploy" else family.to_training_form
    if transfer is None:
        return trunk
    other = build_trunk(preset, form=form) if into is None else into
    set_named_weights(other, transfer(named_weights(trunk)))
    return other


def weights_sha256(model) -> str:
    """SHA-256 over shapes and float32 values of a model's weights, independent of files and names.

    Output tails that keep the weights (`relu`, `none`, `clip`) keep the hash.
    """
    parts = [
        hashlib.sha256(f"{array.shape}".encode() + array.astype("<f4").tobytes()).digest()
        for array in named_weights(model).values()
    ]
    return hashlib.sha256(b"".join(sorted(parts))).hexdigest()


def save_trunk(trunk, path: str | Path) -> None:
    """Write a trunk's weights to a `.weights.h5` file, which is the old one or the new one.

    Raises:
        OutputError: The place cannot be written to, or the disk is full.
    """
    # By way of a .keras archive, which holds the very same file but is written by Python: where
    # HDF5 writes to a full disk itself, the process dies of a segmentation fault.
    with writing_file(path) as beside:
        archive = beside.with_suffix(".keras")
        try:
            trunk.save(archive)
            with zipfile.ZipFile(archive) as members:
                beside.write_bytes(members.read("model.weights.h5"))
        finally:
            archive.unlink(missing_ok=True)


def _require_whole(preset: Preset) -> None:
    """Raise `WeightsError` where the shipped weights are not those that their card describes."""
    card = find_card(preset)
    if card is not None and file_sha256(preset.weights_path) != card.weights_sha256:
        raise WeightsError(
            f"expected the weights of {preset.name} that its card describes "
            f"({card.weights_sha256[:12]}), found other bytes in {preset.weights_path}; "
            "install the package again"
        )


def load_trunk(preset: Preset, *, weights: str | Path | None = None):
    """The deployed-form trunk with weights from a file, by default the shipped ones.

    Raises:
        WeightsError: The file is missing, damaged, or belongs to another network.
    """
    path = preset.require_weights(weights)
    if weights is None:
        _require_whole(preset)
    trunk = build_trunk(preset)
    try:
        trunk.load_weights(path)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        # h5py raises RuntimeError for a damaged index.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise WeightsError(
            f"expected weights of {preset.name}, found a damaged file or another network's: "
            f"{path} ({reason}); train again or take the shipped weights"
        ) from error
    return trunk


@takes(name=a_text, tail=a_text, weights=optional(a_path))
def load_model(name: str, *, tail: str = "relu", weights: str | Path | None = None):
    """A trained network, ready to run or export.

    Args:
        name: Preset name, e.g. `"xlsr_x3"`.
        tail: Output tail: `"relu"`, `"none"`, `"clip"` or `"conv_clip"`.
        weights: A `.weights.h5` file instead of the shipped weights.

    Returns:
        Keras model, float32 (N, H, W, 3), RGB, 0..1 -> (N, H s, W s, 3).

    Raises:
        UnknownModelError: No such preset.
        WeightsError: See `load_trunk`.
        OptionError: No such tail.
    """
    preset = get_preset(name)
    return attach_tail(load_trunk(preset, weights=weights), tail, scale=preset.scale)
