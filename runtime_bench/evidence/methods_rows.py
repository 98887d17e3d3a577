"""Rows of the table of quantization methods that were measured before, kept in a run's folder.

A row of a large network on three data sets takes minutes to hours. Each is written as soon as it
is known; a run that is begun again with the same network, pictures and settings takes it from
there, one of another kind measures its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime_bench.evidence.methods_report import MethodResult
from runtime_bench.measuring.quality import Dataset
from sr_models.ground.files import writing_file

FOLDER = "rows"


def sizes_of(paths: Iterable[str | Path]) -> list[list[Any]]:
    """What tells pictures apart: each one's name and size in bytes."""
    return [[Path(path).name, Path(path).stat().st_size] for path in paths]


def pictures_of(datasets: Sequence[Dataset]) -> list[list[Any]]:
    """What tells data sets apart: their names and pictures."""
    return [[one.name, sizes_of(one.paths)] for one in datasets]


class KeptRows:
    """The rows in one folder.

    Args:
        folder: The run's folder; rows stand in `rows` inside of it.
        subject: What all rows of this run share, as plain data: network, pictures, settings.
    """

    def __init__(self, folder: str | Path, subject: Mapping[str, Any]):
        self._folder = Path(folder) / FOLDER
        self._subject = dict(subject)

    def _key(self, asked: Mapping[str, Any]) -> str:
        text = json.dumps({**self._subject, **asked}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _path(self, asked: Mapping[str, Any]) -> Path:
        name = "-".join(str(value) for value in asked.values())
        return self._folder / f"{name}-{self._key(asked)[:12]}.json"

    def find(self, **asked: Any) -> MethodResult | None:
        """The row of `asked` (method, bits, recipe), if it was measured; a damaged one was not."""
        try:
            data = json.loads(self._path(asked).read_text())
            data["curve"] = tuple(tuple(point) for point in data["curve"])
            return MethodResult(**data)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def keep(self, row: MethodResult, **asked: Any) -> None:
        """Write a row, whole or not at all; raises `OutputError`."""
        path = self._path(asked)
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing_file(path) as beside:
            beside.write_text(json.dumps(row.to_json(), indent=1) + "\n")
