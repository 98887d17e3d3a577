"""The clipped baseline and the clip-free file of a preset, exported once and kept in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sr_models.ground.console import json_text
from sr_models.ground.errors import ConversionError, UnknownModelError
from sr_models.ground.files import file_sha256, output_error, writing_file
from sr_models.ground.sizes import Size
from sr_models.networks.card import find_card
from sr_models.networks.presets import PRESETS, Preset, get_preset, list_presets

if TYPE_CHECKING:
    from export.exporting.settings import ExportSettings

SIDE = 96
"""Height and width in pixels that files are made for."""


@dataclass(frozen=True)
class Twins:
    """Two files of one preset.

    Attributes:
        preset: The preset.
        clipped: Path of the file with a clip.
        clip_free: Path of the file without.
    """

    preset: Preset
    clipped: Path
    clip_free: Path


def shipped_presets(patterns: Sequence[str] = ()) -> list[Preset]:
    """Presets with shipped weights by name or shell pattern; all of them without any.

    Raises:
        UnknownModelError: A pattern matches none.
    """
    names: dict[str, None] = {}
    for pattern in patterns or ["*"]:
        found = list_presets(pattern) or [get_preset(pattern).name]
        shipped = [name for name in found if find_card(PRESETS[name]) is not None]
        if not shipped:
            raise UnknownModelError(
                f"expected presets with weights, found none for {pattern}; see sr-models list"
            )
        names.update(dict.fromkeys(shipped))
    return [PRESETS[name] for name in names]


def both_settings(settings: ExportSettings | None = None) -> dict[str, ExportSettings]:
    """Settings of both files, `clipped` and `clip_free`, from those of the clip-free one."""
    from export.exporting.settings import ExportSettings, clipped_baseline

    settings = settings or ExportSettings(sizes=(Size(SIDE, SIDE),))
    return {
        # The baseline is what people ship, whatever codes the other file takes.
        "clipped": clipped_baseline(replace(settings, io="uint8")),
        "clip_free": replace(settings, tail="relu"),
    }


def export_twins(
    preset: Preset,
    folder: Path,
    settings: ExportSettings | None = None,
    *,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Twins:
    """The twins of a preset in a folder; exported where they are not there yet.

    A file is taken as it is where a note beside it names the same settings, weights and content.
    What it was made by is not known to the note: remove the folder after changes to the exporter.

    Args:
        preset: One with weights.
        folder: Where files are kept; made where it is missing.
        settings: Every choice of the clip-free file; the default recipe otherwise.
        on_stage: Called with what begins next.

    Raises:
        ConversionError: The clip-free file would not be handed over.
        SrError: See `run_export`.
    """
    paths = {}
    for kind, chosen in both_settings(settings).items():
        paths[kind] = path = Path(folder, f"{preset.name}_{kind}.tflite")
        made_by = {"settings": chosen.to_json(), "weights": file_sha256(preset.weights_path)}
        if not _is_kept(path, made_by):
            on_stage(f"{preset.name}: exporting {path.name}")
            _write(path, _exported(preset, chosen), made_by)
    return Twins(preset, **paths)


def _exported(preset: Preset, settings: ExportSettings) -> bytes:
    from export.exporting.job import run_export

    result = run_export(preset.name, settings)
    # A clipped baseline may be as bad as it is.
    if result.failures and settings.quantizing.tail != "clip":
        raise ConversionError(
            f"expected a clip-free file of {preset.name} that can be handed over, found: "
            f"{'; '.join(result.failures)}; take another method"
        )
    return result.content


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _is_kept(path: Path, made_by: dict[str, Any]) -> bool:
    try:
        kept = json.loads(_note(path).read_text())
        return kept == json.loads(json_text({**made_by, "sha256": file_sha256(path)}))
    except (OSError, ValueError):
        return False


def _write(path: Path, content: bytes, made_by: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(path.parent, error) from error
    # The note last: a file without one is made anew.
    with writing_file(path) as beside:
        beside.write_bytes(content)
    with writing_file(_note(path)) as beside:
        beside.write_text(json_text({**made_by, "sha256": file_sha256(path)}))
