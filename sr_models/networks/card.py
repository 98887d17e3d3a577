"""The card of trained weights: what they are, what they were trained on, how good they are.

It stands beside the weights: `weights/<preset>.json` for `weights/<preset>.weights.h5`. Reading
one needs no TensorFlow, so that a list of networks is instant.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sr_models.ground.console import finite, json_text
from sr_models.ground.errors import OptionError, WeightsError
from sr_models.ground.files import file_sha256, subfolder_of, tool_versions, writing_file
from sr_models.networks.presets import Preset

NOT_STATED = "not stated"
WEIGHTS_SUFFIX = ".weights.h5"
PACKAGES = ("tensorflow", "tf-keras", "numpy", "pillow", "scikit-image")


@dataclass(frozen=True)
class DataFolder:
    """Pictures that weights were trained on.

    Attributes:
        folder: Name of the folder.
        pictures: Number of its pictures that were used, those held back for validation included.
        licence: Their licence, as whoever trained stated it.
    """

    folder: str
    pictures: int
    licence: str = NOT_STATED


@dataclass(frozen=True)
class Card:
    """What is known about one file of trained weights.

    Attributes:
        name: Name of the preset.
        family: Name of the network family.
        config: Keywords of the family's configuration.
        parameters: Number of weights of the deployed form.
        recipe: Every value of the training recipe.
        seed: Seed of the training run.
        steps: Optimizer steps done.
        best_step: Step that the weights were taken at.
        training_loss: Mean loss over the last validation interval; `None` where unknown.
        validation_psnr_db: PSNR (RGB, held-back crops pooled) of the weights, in dB.
        validation_pictures: Number of pictures held back to choose the weights.
        data: The pictures used, by folder.
        weights_sha256: SHA-256 of the weights file.
        evaluation: Rows of `networks.evaluation.DatasetQuality.to_json`.
        versions: Versions of what the weights were made with, by package.
    """

    name: str
    family: str
    config: dict[str, Any]
    parameters: int
    recipe: dict[str, Any]
    seed: int
    steps: int
    best_step: int
    training_loss: float | None
    validation_psnr_db: float
    validation_pictures: int
    data: tuple[DataFolder, ...]
    weights_sha256: str
    evaluation: tuple[dict[str, Any], ...]
    versions: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return finite(asdict(self))

    def psnr_y_db(self) -> dict[str, float]:
        """Luma PSNR of this network in dB, by dataset."""
        return self._measured("psnr_y_db")

    def ssim_y(self) -> dict[str, float]:
        """Structural similarity of this network on luma, by dataset."""
        return self._measured("ssim_y")

    def _measured(self, figure: str) -> dict[str, float]:
        return {
            row["dataset"]: row[figure]
            for row in self.evaluation
            if row["model"] == self.name and row.get(figure) is not None
        }


def card_path_of(weights: str | Path) -> Path:
    """Where the card of a weights file stands: `x.weights.h5` -> `x.json`."""
    weights = require_weights_name(weights)
    return weights.with_name(weights.name.removesuffix(WEIGHTS_SUFFIX) + ".json")


def require_weights_name(path: str | Path) -> Path:
    """`path` itself; raises `OptionError` where it does not end in `.weights.h5`."""
    path = Path(path)
    if not path.name.endswith(WEIGHTS_SUFFIX) or path.name == WEIGHTS_SUFFIX:
        raise OptionError(
            f"expected a file name that ends in {WEIGHTS_SUFFIX}, found {path.name!r}; "
            f"give for example {path.name.split('.')[0] or 'network'}{WEIGHTS_SUFFIX}"
        )
    return path


def load_card(path: str | Path) -> Card:
    """Read a card.

    Raises:
        WeightsError: The file is missing, damaged or no card.
    """
    try:
        text = Path(path).read_text()
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"expected a card of weights, found no readable file {path}; train the network again"
        ) from error
    return parse_card(text, source=str(path))


def parse_card(text: str, *, source: str = "the card") -> Card:
    """A card from its JSON text; raises `WeightsError`, naming `source`, for any other text."""
    try:
        data = json.loads(text)
        known = {field.name for field in fields(Card)}
        values = {key: value for key, value in data.items() if key in known}
        values["data"] = tuple(DataFolder(**row) for row in values["data"])
        values["evaluation"] = tuple(values["evaluation"])
        card = Card(**values)
        card.psnr_y_db()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"expected a card of weights, found other content in {source} ({error}); "
            "train the network again"
        ) from error
    return card


def find_card(preset: Preset) -> Card | None:
    """The card of a preset's shipped weights, or `None` where none are shipped."""
    return load_card(preset.card_path) if preset.card_path.is_file() else None


def read_licences(path: str | Path) -> dict[str, str]:
    """Licences by folder, from a JSON object or from lines `folder: licence`.

    Raises:
        OptionError: The file is unreadable, or is neither.
    """
    try:
        text = Path(path).read_text()
    except (OSError, ValueError) as error:
        raise OptionError(
            f"expected a text file of licences, found {path} unreadable; give a JSON object or "
            "lines 'folder: licence'"
        ) from error
    return parse_licences(text, source=str(path))


def parse_licences(text: str, *, source: str = "the text") -> dict[str, str]:
    """`read_licences` for text; empty lines and lines that start with `#` are passed over."""
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError as error:
            raise OptionError(
                f"expected JSON in {source}, found a mistake ({error}); correct it"
            ) from error
        if not all(isinstance(value, str) for value in found.values()):
            raise OptionError(
                f"expected folder names and licences as texts in {source}, found "
                "other values; correct it"
            )
        return found
    licences = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        folder, colon, licence = line.partition(":")
        if not colon or not folder.strip() or not licence.strip():
            raise OptionError(
                f"expected 'folder: licence' in line {number} of {source}, found {line.strip()!r}; "
                "correct it"
            )
        licences[folder.strip()] = licence.strip()
    return licences


def data_folders(
    pictures: Iterable[Path], root: str | Path, *, licences: Mapping[str, str] | None = None
) -> tuple[DataFolder, ...]:
    """The pictures used, counted by the subfolder of `root` that they lie in."""
    counts = Counter(subfolder_of(path, root) for path in pictures)
    licences = licences or {}
    return tuple(
        DataFolder(name, count, licences.get(name, NOT_STATED))
        for name, count in sorted(counts.items())
    )


def write_card(
    preset: Preset,
    weights: str | Path,
    *,
    out: str | Path,
    parameters: int,
    recipe: Mapping[str, Any],
    steps: int,
    best_step: int,
    training_loss: float | None,
    validation_psnr_db: float,
    validation_pictures: int,
    data: Sequence[DataFolder],
    evaluation: Sequence[Mapping[str, Any]] = (),
) -> Card:
    """Copy trained weights to where they shall stand and write their card beside them.

    Both files are written in full before either takes its name. A kill between the two renames
    leaves new weights beside the old card, which `weights_sha256` tells apart.

    Args:
        preset: Which network.
        weights: The weights file that training left.
        out: Where the weights go, ending in `.weights.h5`; the card goes to `card_path_of(out)`.
        parameters: Number of weights of the deployed form.
        recipe: Every value of the training recipe, `seed` among them.
        steps: Optimizer steps done.
        best_step: Step that the weights were taken at.
        training_loss: Mean loss over the last validation interval.
        validation_psnr_db: PSNR of the weights on the held-back crops, in dB.
        validation_pictures: Number of pictures held back.
        data: The pictures used, by folder.
        evaluation: Rows of `DatasetQuality.to_json`.

    Returns:
        The card that was written.

    Raises:
        OutputError: The place cannot be written to, or the disk is full.
        WeightsError: The weights file is missing.
    """
    out = require_weights_name(out)
    if not Path(weights).is_file():
        raise WeightsError(
            f"expected trained weights, found no file {weights}; delete the checkpoints beside it "
            "and train again"
        )
    card = Card(
        name=preset.name,
        family=preset.family,
        config=dict(preset.config),
        parameters=parameters,
        recipe=dict(recipe),
        seed=recipe["seed"],
        steps=steps,
        best_step=best_step,
        training_loss=training_loss,
        validation_psnr_db=validation_psnr_db,
        validation_pictures=validation_pictures,
        data=tuple(data),
        weights_sha256=file_sha256(weights),
        evaluation=tuple(dict(row) for row in evaluation),
        versions=tool_versions(PACKAGES),
    )
    with writing_file(card_path_of(out)) as card_file, writing_file(out) as weights_file:
        card_file.write_text(json_text(card.to_json()))
        shutil.copyfile(weights, weights_file)
    return card
