"""How networks are quantized by published methods: widths and places. Needs no TensorFlow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sr_models.ground.errors import OptionError, require_known

FEWEST, MOST = 2, 16
PIXEL_BITS = 8
"""Bits of a picture's channel, and of the first and last layers where they are quantized."""


def require_bits(bits: int) -> int:
    """`bits` itself; raises `OptionError` outside of 2..16 or where it is no whole number."""
    if isinstance(bits, bool) or not isinstance(bits, int) or not FEWEST <= bits <= MOST:
        raise OptionError(
            f"expected a whole number of bits from {FEWEST} to {MOST}, found {bits!r}; "
            "give for example --bits 8"
        )
    return bits


def largest_code(bits: int) -> int:
    """The largest code of a symmetric signed grid: 127 for 8 bits, 31 for 6, 7 for 4."""
    return 2 ** (require_bits(bits) - 1) - 1


RECIPES = ("default", "published")
"""Settings with what we found better, or with every setting of paper or released code."""


def require_recipe(recipe: str) -> str:
    """`recipe` itself; raises `OptionError` for an unknown one."""
    return require_known("a recipe", recipe, RECIPES)


PLACEMENTS = ("integer", "figure", "code")
"""Where activations are quantized; see `sr_models.published.pams_student`."""


@dataclass(frozen=True)
class PamsSettings:
    """How a network is quantized by PAMS.

    Attributes:
        bits: Width of the body's weights and activations, 2 to 16.
        placement: One of `PLACEMENTS`.
        edges: Whether head and tail are quantized too, with `edge_bits`; only with `"integer"`.
        edge_bits: Their width.
        unsigned: Whether tensors behind a ReLU take an unsigned grid (ours).
        per_channel: Whether each output channel's weights have their own scale (ours).
        recipe_name: One of `RECIPES`: whose rates and statistics alphas have.
    """

    bits: int = 8
    placement: str = "integer"
    edges: bool = False
    edge_bits: int = PIXEL_BITS
    unsigned: bool = False
    per_channel: bool = False
    recipe_name: str = "default"

    def __post_init__(self):
        require_recipe(self.recipe_name)
        require_bits(self.bits)
        require_bits(self.edge_bits)
        require_known("a placement", self.placement, PLACEMENTS)
        if self.edges and self.placement != "integer":
            raise OptionError(
                f"expected the placement 'integer' where head and tail are quantized, found "
                f"{self.placement!r}; leave them float or give 'integer'"
            )

    @classmethod
    def published(cls, bits: int) -> PamsSettings:
        """As released: the placement of its code, head and tail float."""
        return cls(bits, "code", recipe_name="published")

    @property
    def alpha_start(self) -> str:
        """See `pams_student.STARTS`; a choice of ours, but for the recipe `"published"`.

        Eight bits have steps to spare for the brightest picture; with few of them, alphas that clip
        a little are better from the start (EDSR x4 at 4 bits: 0.8 dB).
        """
        if self.recipe_name == "published":
            return "last"
        return "largest" if self.bits >= PIXEL_BITS else "mean"

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)
