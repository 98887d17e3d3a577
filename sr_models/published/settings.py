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
    """

    bits: int = 8
    placement: str = "integer"
    edges: bool = False
    edge_bits: int = PIXEL_BITS
    unsigned: bool = False
    per_channel: bool = False

    def __post_init__(self):
        require_bits(self.bits)
        require_bits(self.edge_bits)
        require_known("a placement", self.placement, PLACEMENTS)
        if self.edges and self.placement != "integer":
            raise OptionError(
                f"expected the placement 'integer' where head and tail are quantized, found "
                f"{self.placement!r}; leave them float or give 'integer'"
            )

    @property
    def alpha_start(self) -> str:
        """See `pams_student.STARTS`; a choice of ours.

        Eight bits have steps to spare for the brightest picture; with few of them, alphas that clip
        a little are better from the start (EDSR x4 at 4 bits: 0.8 dB).
        """
        return "largest" if self.bits >= PIXEL_BITS else "mean"

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)
