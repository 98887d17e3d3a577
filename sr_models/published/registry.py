"""Quantization methods by name, each of which simulates a float network at a width in bits."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sr_models.ground.errors import CalibrationError
from sr_models.ground.registry import Registry
from sr_models.published.colour_shift import with_colour_shift
from sr_models.published.pams_student import AlphaRange
from sr_models.published.settings import require_bits, require_recipe
from sr_models.published.tuning import TuningSettings

_MODULE = "sr_models.published.methods"


@dataclass(frozen=True)
class Simulation:
    """A network as a method quantizes it, in float.

    Attributes:
        method: Name of the method.
        bits: Width asked for.
        levels: How many values an activation of the body can take, which is what bits promise.
        model: Keras network with the inputs and outputs of the float one.
        ranges: Grids for a file of integers by the float network's points, where the method has
            one grid per tensor; else `None`: the result is a simulation only.
        details: What the method chose and came to, as plain data.
    """

    method: str
    bits: int
    levels: int
    model: Any
    ranges: dict[str, AlphaRange] | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data, without the network."""
        ranges = self.ranges and {name: value.to_json() for name, value in self.ranges.items()}
        return {
            "method": self.method,
            "bits": self.bits,
            "levels": self.levels,
            "ranges": ranges,
            "details": self.details,
        }


@dataclass(frozen=True)
class CalibrationPictures:
    """What a method is calibrated with in the released code.

    Attributes:
        count: Patches of low-resolution pictures.
        high_side: Height and width of what they are degraded from, in pixels.
        batch: Patches to a batch.
    """

    count: int
    high_side: int
    batch: int = 16


class Calibrate(Protocol):
    """What a method is: float network and pictures in, simulation out."""

    def __call__(
        self,
        network,
        *,
        batches: Sequence[np.ndarray],
        bits: int,
        seed: int,
        on_progress: Callable[[int, int], None],
        state_path: Path | None,
        epochs: int,
        recipe: str,
    ) -> Simulation: ...


@dataclass(frozen=True)
class QuantizationMethod:
    """A registered method.

    Attributes:
        name: Its name.
        calibrate: The method itself.
        source: Where it was published.
        pictures: What the released code calibrates with.
        trains: Whether the network must be trained on ground truth to reach what was published;
            `calibrate` then yields the state that training starts from.
    """

    name: str
    calibrate: Calibrate
    source: str
    pictures: CalibrationPictures
    trains: bool


def _load(name: str | None) -> tuple[str, ...]:
    importlib.import_module(_MODULE)
    return ()


_METHODS: Registry[QuantizationMethod] = Registry("quantization method", load=_load)


def register_quantizer(
    name: str, *, source: str, pictures: CalibrationPictures, trains: bool = False
):
    """Decorate a method; a name that is taken already is a programming error."""

    def decorate(calibrate):
        _METHODS.add(name, QuantizationMethod(name, calibrate, source, pictures, trains))
        return calibrate

    return decorate


def quantization_methods() -> list[str]:
    """Names of all methods, in the order they were registered."""
    return list(_METHODS.entries())


def get_quantizer(name: str) -> QuantizationMethod:
    """The method of that name; raises `OptionError` with the nearest names."""
    return _METHODS.get(name)


def simulate_method(
    name: str,
    network,
    *,
    batches: Sequence[np.ndarray],
    bits: int,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    state_path: Path | None = None,
    epochs: int = TuningSettings.epochs,
    recipe: str = "default",
) -> Simulation:
    """Quantize a float network by a method.

    Args:
        name: See `quantization_methods`.
        network: Float functional network, which stays as it is.
        batches: Calibration pictures, each batch float32 (N, h, w, 3) in 0..1, all of one size.
        bits: Width of the body's weights and activations, 2 to 16.
        seed: Seed of whatever is drawn.
        on_progress: Called with the steps done and their number.
        state_path: An `.npz` file where a method that fine-tunes keeps its state after each epoch;
            one that exists is resumed.
        epochs: Passes over the pictures by a method that fine-tunes; 0 for calibration alone.
        recipe: One of `settings.RECIPES`: settings that we found better, or those of paper and
            released code. What pictures that code takes is `QuantizationMethod.pictures`.

    Raises:
        OptionError: No such method or recipe, bits outside of 2..16, or a negative number of
            epochs.
        CalibrationError: There are no pictures.
        TrainingError: Fine-tuning that came to no finite loss, or a state of another one.
    """
    method = get_quantizer(name)
    require_bits(bits)
    require_recipe(recipe)
    TuningSettings(epochs=epochs)
    if not len(batches):
        raise CalibrationError("expected pictures to calibrate with, found none; give some")
    return method.calibrate(
        with_colour_shift(network),
        batches=batches,
        bits=bits,
        seed=seed,
        on_progress=on_progress,
        state_path=state_path,
        epochs=epochs,
        recipe=recipe,
    )
