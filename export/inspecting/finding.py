"""One thing that is wrong with a `.tflite` file; known before any library is loaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass

IDENTIFIERS = {
    "clip": "operators bound the picture by themselves",
    "coarse": "an output code is more than one grey level",
    "contract": "codes of input or output are not pixels",
    "crash": "the interpreter was brought down, or ran out of memory or time",
    "dynamic": "a dimension is left open",
    "float": "a tensor holds real numbers",
    "mixed": "integers and real numbers are both computed with",
    "name": "the name says something else than the file",
    "partitions": "XNNPACK does not take the graph in one piece",
    "refused": "the interpreter does not run the file",
    "version": "runtimes before a certain release refuse the file",
}
"""Stable identifiers: none changes its meaning, and none goes."""


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
