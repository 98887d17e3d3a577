"""Settings read back from where an export has written them: its manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.exporting.settings import CHOICES, DEFAULTS, OF_A_SET, ExportSettings
from sr_models.ground.errors import OptionError
from sr_models.ground.registry import unknown_name_message
from sr_models.ground.sizes import Size, parse_size

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
_WHERE_NONE_BY_DEFAULT = {"method": str, "max_drop_db": float, "made_for": str}
_LARGEST = 10**9
"""No limit in dB is larger; some whole numbers are beyond floating point."""


def settings_from_json(data: Mapping[str, Any]) -> ExportSettings:
    """The settings that `ExportSettings.to_json` has written; what is missing has its default.

    Args:
        data: Choice -> value. `None` is a choice not made. Sizes may be texts, `"360x640"`.

    Raises:
        OptionError: An unknown choice, a value of another type, or one that cannot be.
    """
    choices = {}
    for name, value in data.items():
        if name not in CHOICES:
            raise OptionError(unknown_name_message("choice", name, CHOICES))
        if value is not None:
            choices[name] = _read_choice(name, value)
    return ExportSettings(**choices)


def _read_choice(name: str, value: Any) -> Any:
    default = getattr(getattr(DEFAULTS, CHOICES[name]), name)
    if name == "sizes" and isinstance(value, list):
        return tuple(map(_read_size, value))
    if name == "kept" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    kind = _WHERE_NONE_BY_DEFAULT.get(name, type(default))
    if kind is float and type(value) is int and abs(value) <= _LARGEST:
        return float(value)
    if type(value) is not kind:
        raise OptionError(
            f"expected {_KINDS.get(kind, 'a list')} for {name}, found {json.dumps(value)[:80]}; "
            "correct the settings"
        )
    return value


def _read_size(value: Any) -> Size:
    if isinstance(value, str):
        return parse_size(value)
    sides = tuple(value.get(side) for side in Size.__annotations__) if type(value) is dict else ()
    if not sides or any(side is not None and type(side) is not int for side in sides):
        raise OptionError(
            f"expected sizes of a height and a width, found {json.dumps(value)[:80]}; "
            "correct the settings"
        )
    return Size(*sides)


def load_settings(path: str | Path, *, dataset: str | Path | None = None) -> ExportSettings:
    """Settings from a JSON file: a manifest of a folder or a bundle, or its `settings` alone.

    Args:
        path: The file.
        dataset: The saved set that is given with it.

    Raises:
        OptionError: No such file or content; or the pictures came from a saved set, and none is
            given.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        found = data.get("settings", data)
        if not isinstance(found, dict):
            raise TypeError("no settings")
        if "models" in data:
            # A bundle says the sizes with its files.
            sizes = [
                {side: model[side] for side in ("height", "width")} for model in data["models"]
            ]
            found = {**found, "sizes": sizes}
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise OptionError(
            f"expected settings as a manifest holds them, found other content in {path} "
            f"({reason}); give manifest.json of an export"
        ) from error
    if dataset is None and any(name in found and found[name] is None for name in OF_A_SET):
        raise OptionError(
            f"expected the saved set that the export of {path} was made with, found none; "
            "give it by --dataset"
        )
    return settings_from_json(found)
