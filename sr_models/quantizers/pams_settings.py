"""How a network is quantized by PAMS: widths and places. Needs no TensorFlow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sr_models.choices import require_known
from sr_models.errors import OptionError
from sr_models.quantizers.bits import PIXEL_BITS, require_bits

PLACEMENTS = ("integer", "figure", "code")
"""Where activations are quantized; see `sr_models.quantizers.pams_student`."""


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
