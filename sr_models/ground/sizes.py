"""Sizes of pictures and inputs in pixels, as commands are told them: `360x640`, height first."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sr_models.ground.arguments import whole_number
from sr_models.ground.errors import OptionError

MAX_SIDE = 8192
"""Pixels that an input may be high or wide."""


def require_size(height: int | None, width: int | None) -> None:
    """Raise `OptionError` for a height or width that no file can be made for; both may be free."""
    if height is None and width is None:
        return
    if height is None or width is None:
        raise OptionError("expected a height and a width, found one of them; give both or neither")
    sides = {"height": height, "width": width}
    for name, side in sides.items():
        whole_number()(name, side)
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise OptionError(
            f"expected a height and width of 1..{MAX_SIDE} pixels, found {height}x{width}; "
            "give the size of the low-resolution input"
        )


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


_FIXED = re.compile(r"\s*(\d{1,9})\s*[xX]\s*(\d{1,9})\s*")


def parse_size(text: str) -> Size:
    """A size of `"360x640"` (height first) or `"dynamic"`; raises `OptionError` for others."""
    if text.strip().lower() == _DYNAMIC:
        return DYNAMIC
    found = _FIXED.fullmatch(text)
    if found is None:
        raise OptionError(
            f"expected a size such as 360x640 (height first) or {_DYNAMIC}, found {text!r}"
        )
    return Size(*map(int, found.groups()))


def parse_fixed_size(text: str, *, option: str = "--size") -> Size:
    """A size of `"360x640"`, height first, where `"dynamic"` has no meaning.

    Raises:
        OptionError: Other text, or a side outside of 1..`MAX_SIDE`.
    """
    found = _FIXED.fullmatch(text)
    if found is None:
        raise OptionError(
            f"expected a size such as 360x640 (height first), found {text!r}; change {option}"
        )
    return Size(*map(int, found.groups()))
