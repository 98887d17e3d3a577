"""Widths in bits that a quantizer may have."""

from __future__ import annotations

from sr_models.errors import OptionError

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
