"""Trained networks by name, as plain data. Names decode as `family[_width]_scale`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sr_models.errors import UnknownModelError
from sr_models.registry import matching, unknown_name_message

WEIGHTS_FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Preset:
    """One network: its family, configuration and recipe of training.

    Attributes:
        name: Name of the preset.
        family: Name of the registered family.
        config: Keywords of the family's configuration (with `scale`).
        description: One line for a list.
        recipe: Keywords of `sr_models.training.Recipe` that differ from its defaults.
        parameters: Number of weights of the deployed form, so that a list needs no network.
    """

    name: str
    family: str
    config: dict[str, Any]
    description: str
    recipe: dict[str, Any] = field(default_factory=dict)
    parameters: int | None = None

    @property
    def scale(self) -> int:
        """Scale factor."""
        return self.config["scale"]

    @property
    def weights_path(self) -> Path:
        """Where shipped weights stand."""
        return WEIGHTS_FOLDER / f"{self.name}.weights.h5"

    @property
    def card_path(self) -> Path:
        """Where the card of the shipped weights stands."""
        return WEIGHTS_FOLDER / f"{self.name}.json"


_PRESETS = [
    Preset(
        name="xlsr_x3",
        family="xlsr",
        config={"scale": 3},
        description="XLSR, 22 K parameters, the network of the CFQP authors",
        recipe={"steps": 50_000},
        parameters=21_947,
    ),
]

PRESETS: dict[str, Preset] = {preset.name: preset for preset in _PRESETS}


def list_presets(pattern: str = "*") -> list[str]:
    """Names of presets that match a shell pattern, sorted."""
    return matching(PRESETS, pattern)


def get_preset(name: str) -> Preset:
    """The preset of that name; raises `UnknownModelError` with the nearest names."""
    if name not in PRESETS:
        raise UnknownModelError(unknown_name_message("preset", name, PRESETS))
    return PRESETS[name]
