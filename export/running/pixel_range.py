"""What black and white are for a file, found once and for every verb.

In this order: what the user says; the manifest of the export that wrote the file; the file's own
tables (grids, scaling operators, bounds); its metadata; and where these leave something open, what
the file answers to photographs. Metadata that tables or answers contradict is named.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from export.running.interpreters import Runner, open_model
from export.running.pixels import codes_of_values, find_scale, run_picture, values_of_codes
from export.tflite.pixel_ends import (
    NOTHING_TOLD,
    Told,
    declared_ends,
    ends_of_input,
    ends_of_output,
)
from sr_models.ground.bundled import bundled_pictures, bundled_pieces
from sr_models.ground.errors import ModelFileError, PictureError
from sr_models.ground.metrics import luma_pixels
from sr_models.ground.pictures import load_image, resize_bicubic, unit
from sr_models.ground.pixel_answers import PLAUSIBLE, distance, works_signed
from sr_models.ground.pixel_range import SIGNED, UNIT, UNIT_ENDS, Ends, PixelRange
from sr_models.tflite.files import ModelFile
from sr_models.tflite.metadata import is_near

MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 2**24
_METADATA = "its metadata"
_GIVEN, _ANSWERS, _ASSUMED = "as given", "by its answers to pictures", "assumed, for nothing tells"
_CLEARLY = 0.5
_SIDE, _MOST, _PIXELS = 64, 8, 300_000
_GOOD = 2 / 255
"""Distance below which no other range is asked for: the pictures come back as they were."""


@dataclass(frozen=True)
class FilePixels:
    """Black and white of a file, and how they were found.

    Attributes:
        range: Of the input and of the output.
        input_by: What tells those of the input, in words.
        output_by: What tells those of the output.
        contradiction: What says otherwise, in words; empty where nothing does.
    """

    range: PixelRange
    input_by: str
    output_by: str
    contradiction: str = ""

    @property
    def assumed(self) -> bool:
        """Whether nothing told one of them."""
        return _ASSUMED in (self.input_by, self.output_by)

    def to_json(self) -> dict[str, Any]:
        """Black and white of both sides, what tells them, and all of it in words."""
        return {
            **self.range.to_json(),
            "input_by": self.input_by,
            "output_by": self.output_by,
            "contradiction": self.contradiction or None,
            "in_words": str(self),
        }

    def __str__(self) -> str:
        low, high = self.range.input_ends, self.range.output_ends
        if self.input_by == self.output_by:
            text = f"{self.range} ({self.input_by})"
        else:
            text = f"inputs of {low} ({self.input_by}) and outputs of {high} ({self.output_by})"
        if self.contradiction:
            text += f"; {self.contradiction}"
        return text + ("; --pixels overrules it" if self.assumed or self.contradiction else "")


def find_pixels(
    file: ModelFile, *, given: PixelRange | None = None, run: bool = True
) -> FilePixels:
    """What black and white are for a file.

    Args:
        file: The file; its name is where its manifest is looked for.
        given: What the user says they are.
        run: Whether the file may be run here, where its tables leave something open.

    Raises:
        ModelFileError: The file is damaged or none.
    """
    return told_pixels(file, given=given) or _by_tables(file, run=run)


def told_pixels(file: ModelFile, *, given: PixelRange | None = None) -> FilePixels | None:
    """What the user or the manifest beside a file says."""
    if given is not None:
        return FilePixels(given, _GIVEN, _GIVEN)
    found = _of_manifest(file)
    return found and FilePixels(found, f"by its {MANIFEST}", f"by its {MANIFEST}")


def pixels_of_content(content: bytes) -> dict[str, Any]:
    """The same for the content of a file, as plain data: for a child process.

    Raises:
        ModelFileError: The file is damaged or none.
    """
    return _by_tables(ModelFile("the file", content, ""), run=True).to_json()


def pixels_of_data(data: dict[str, Any]) -> FilePixels:
    """What `pixels_of_content` found."""
    told = (data["input_by"], data["output_by"], data["contradiction"] or "")
    return FilePixels(PixelRange.of_json(data), *told)


def _of_manifest(file: ModelFile) -> PixelRange | None:
    """What the manifest beside a file says of it, if there is one and it knows the file."""
    path = Path(file.name).parent / MANIFEST
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_MANIFEST:
            return None
        manifest = json.loads(path.read_bytes())
        entries = [*manifest.get("files", ()), *manifest.get("models", ())]
        for entry in entries:
            if entry.get("sha256") == file.sha256 and "pixels" in entry:
                found = PixelRange.of_json(entry["pixels"])
                narrowest = min(found.input_ends.width, found.output_ends.width)
                return found if narrowest > 0 else None
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
    return None


@lru_cache(maxsize=8)
def _by_tables(file: ModelFile, *, run: bool) -> FilePixels:
    from sr_models.tflite.unpacked import unpack

    model = unpack(file)
    if len(model.graph.inputs) != 1 or len(model.graph.outputs) != 1:
        return FilePixels(UNIT, _ASSUMED, _ASSUMED)
    tables, high = ends_of_input(model), ends_of_output(model)
    declared = declared_ends(model)
    low = tables if declared is None else _with_declared(tables, declared)
    pairs = _pairs(low, high)
    if declared and low.how == _METADATA:  # Which the answers may contradict.
        others = [pair for pair in _pairs(tables, high) if declared != UNIT_ENDS or pair != SIGNED]
        pairs += [pair for pair in others if pair not in pairs]
    found, told = (None if len(pairs) == 1 or not run else _by_answers(file, pairs)), pairs[0]
    chosen = found or told
    against = declared is not None and not is_near(declared, chosen.input_ends)
    sure = low.sure and chosen.input_ends in low.candidates
    return FilePixels(
        chosen,
        *(
            f"by {side.how}"
            if known or (found is None and side.how)
            else _ASSUMED
            if found is None
            else _ANSWERS
            for side, known in ((low, sure), (high, high.sure))
        ),
        f"its metadata says {declared} for the input" if against else "",
    )


def _with_declared(tables: Told, declared: Ends) -> Told:
    """What tables and metadata say together; tables are right where metadata contradicts them."""
    if tables == NOTHING_TOLD:
        return Told((declared,), _METADATA)
    alike = tuple(ends for ends in tables.candidates if is_near(declared, ends))
    return Told(alike[:1], f"{tables.how} and {_METADATA}") if alike and tables.how else tables


def _pairs(low: Told, high: Told) -> list[PixelRange]:
    """Every range that the tables leave open, the likeliest first: alike on both sides."""
    pairs = itertools.product(low.candidates, high.candidates)
    ranked = sorted(
        pairs,
        key=lambda pair: (
            pair[0] != pair[1],
            # Where only one side says something, it speaks for the other.
            high.candidates.index(pair[1]) if low == NOTHING_TOLD else 0,
            low.candidates.index(pair[0]),
            high.candidates.index(pair[1]),
        ),
    )
    return [PixelRange.of_ends(*pair) for pair in ranked]


def _by_answers(file: ModelFile, pairs: list[PixelRange]) -> PixelRange | None:
    """The range by which a file gives pictures back at their own brightness; `None` for none."""
    try:
        runner, batch = _opened(file)
    except (ModelFileError, PictureError):
        return None
    known: dict[bytes, np.ndarray] = {}

    def answer(values: np.ndarray) -> np.ndarray:
        if (key := values.tobytes()) not in known:
            known[key] = np.stack([_answer(runner, picture) for picture in values])
        return known[key]

    plausible = min(PLAUSIBLE, 0.25 * float(batch.std()))
    with np.errstate(all="ignore"):
        try:
            apart = {pair: distance(answer, batch, pair) for pair in pairs}
            usual = pairs[0]
            best = min(pairs, key=lambda pair: (not np.isfinite(apart[pair]), apart[pair]))
            if apart[best] < _CLEARLY * apart[usual] and apart[usual] > _GOOD:
                return best if apart[best] <= 2 * plausible else None
            if not apart[usual] <= plausible:
                return None
            if usual == UNIT and SIGNED in pairs and works_signed(answer, batch):
                return SIGNED
        except ModelFileError:
            return None
    return usual


def _opened(file: ModelFile) -> tuple[Runner, np.ndarray]:
    """The file at a small size where it allows one, and pictures for it in 0..1."""
    runner = None
    for delegate in ("xnnpack", "builtin"):
        for size in ({"height": _SIDE, "width": _SIDE}, {}):
            try:
                runner = open_model(file, delegate=delegate, threads=2, **size)
                runner.invoke()
                find_scale(runner, luma=True)
                break
            except ModelFileError:
                runner = None
        if runner is not None:
            break
    if runner is None:
        raise ModelFileError(f"expected a super-resolution file, found {file.name}; give another")
    height, width, channels = runner.inputs[0].picture_shape
    pictures = _photographs(height, width)
    if channels == 1:
        pictures = [luma_pixels(picture) for picture in pictures]
    return runner, unit(np.stack(pictures))


def _photographs(height: int, width: int) -> list[np.ndarray]:
    """Natural pictures, uint8 (height, width, 3); fewer of a large size."""
    count = min(_MOST, max(1, _PIXELS // (height * width)))
    pieces = bundled_pieces()
    if max(height, width) <= min(pieces[0].shape[:2]):
        return [piece[:height, :width] for piece in pieces[:count]]
    pictures = map(load_image, bundled_pictures()[:count])
    return [resize_bicubic(picture, height=height, width=width) for picture in pictures]


def _answer(runner: Runner, picture: np.ndarray) -> np.ndarray:
    source, target = runner.inputs[0], runner.outputs[0]
    return values_of_codes(run_picture(runner, codes_of_values(picture, source)), target)
