"""How far the codes of two computations of the same pictures are from each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class CodeDifference:
    """How far the codes of two computations are from each other, all pictures pooled.

    Attributes:
        max_abs_code_difference: Greatest difference of a pixel, in codes.
        differing_fraction: Share of the pixels that differ.
    """

    max_abs_code_difference: int
    differing_fraction: float

    @classmethod
    def between(cls, one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> CodeDifference:
        """Of uint8 pictures of any sizes, pairwise the same."""
        differences = [np.abs(a.astype(np.int16) - b).ravel() for a, b in zip(one, other)]
        pooled = np.concatenate(differences)
        return cls(int(pooled.max()), float(np.count_nonzero(pooled) / pooled.size))

    def to_json(self) -> dict:
        """The attributes by name."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.max_abs_code_difference:
            return "every code the same"
        return f"{self.differing_fraction:.2%} by up to {self.max_abs_code_difference}"
