"""One thing that is wrong with a `.tflite` file."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        id: One of `IDENTIFIERS`.
        what: What was found, with its numbers.
        impact: What it means for the speed of the file, or for what it computes.
        fix: What to do.
    """

    id: str
    what: str
    impact: str
    fix: str

    def to_json(self) -> dict[str, str]:
        """The attributes."""
        return asdict(self)
