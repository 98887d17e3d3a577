"""Input sizes of exported files: fixed ones, one file for each, or free."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from export.conversion import require_size
from sr_models.errors import OptionError

_DYNAMIC = "dynamic"


@dataclass(frozen=True, order=True)
class Size:
    """The size of a file's input in pixels; both `None` for a file of any size.

    Attributes:
        height: Height in pixels.
        width: Width in pixels.
    """

    height: int | None
    width: int | None

    def __post_init__(self):
        require_size(self.height, self.width)

    @property
    def is_dynamic(self) -> bool:
        """Whether the file is resized before it runs."""
        return self.height is None

    def __str__(self) -> str:
        return _DYNAMIC if self.is_dynamic else f"{self.height}x{self.width}"


DYNAMIC = Size(None, None)


def parse_size(text: str) -> Size:
    """A size of `"360x640"` (height first) or `"dynamic"`; raises `OptionError` for others."""
    if text.strip().lower() == _DYNAMIC:
        return DYNAMIC
    found = re.fullmatch(r"\s*(\d{1,9})\s*[xX]\s*(\d{1,9})\s*", text)
    if not found:
        raise OptionError(
            f"expected a size such as 360x640 (height first) or {_DYNAMIC}, found {text!r}"
        )
    return Size(*map(int, found.groups()))


def file_names(sizes: Sequence[Size]) -> list[str]:
    """Names of the files: `model.tflite` for a single one, else `model_360x640.tflite`."""
    if len(sizes) == 1:
        return ["model.tflite"]
    return [f"model_{size}.tflite" for size in sizes]
