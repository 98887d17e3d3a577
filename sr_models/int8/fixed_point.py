"""Multiplication of an accumulator by a real factor, in 32-bit fixed point as TFLite's kernels do.

A factor is kept as a 31-bit fraction and an exponent (tflite/kernels/internal/
quantization_util.cc, `QuantizeMultiplier`). The product is rounded twice: to the fraction's 31
bits, then by the exponent. Both roundings go to the nearest; the first takes halves up, and kernels
differ in what the second does with them. The convolution of one group runs on ruy's matrix product,
which takes them up too; all others take them away from zero (tflite/kernels/internal/common.cc
without `TFLITE_SINGLE_ROUNDING`). Found by holding single operators of ai-edge-litert 2.3 on x86-64
against both and against one rounding, which agrees with neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FRACTION_BITS = 31
LEAST_EXPONENT = -31


@dataclass(frozen=True)
class FixedPoint:
    """Factors `multiplier * 2 ** (exponent - 31)`, one or one for each channel.

    Attributes:
        multiplier: int64, in 2^30 .. 2^31 - 1, or 0 for the factor 0.
        exponent: int64; positive where the factor is 1 or more.
    """

    multiplier: np.ndarray
    exponent: np.ndarray

    @classmethod
    def nearest(cls, factor) -> FixedPoint:
        """The nearest factor that can be written: float64 (...) -> (...), not negative.

        Factors below 2^-32 become 0, since a shift by more than 31 places leaves nothing.
        """
        fraction, exponent = np.frexp(np.asarray(factor, np.float64))
        # Halves go away from zero; NumPy's own rounding would take the even one.
        multiplier = np.floor(np.ldexp(fraction, FRACTION_BITS) + 0.5).astype(np.int64)
        carried = multiplier == 1 << FRACTION_BITS
        multiplier = np.where(carried, multiplier >> 1, multiplier)
        exponent = np.where(carried, exponent + 1, exponent).astype(np.int64)
        tiny = exponent < LEAST_EXPONENT
        return cls(np.where(tiny, 0, multiplier), np.where(tiny, 0, exponent))

    @property
    def value(self) -> np.ndarray:
        """The factors as float64."""
        return np.ldexp(self.multiplier.astype(np.float64), self.exponent - FRACTION_BITS)


def _high_product(x, factor: FixedPoint) -> tuple[np.ndarray, np.ndarray]:
    """The product after its first rounding, halves up, and how far it is still to be shifted."""
    shifted = np.asarray(x, np.int64) << np.maximum(factor.exponent, 0)
    product = (shifted * factor.multiplier + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS
    return product, np.maximum(-factor.exponent, 0)


def multiply_halves_up(x, factor: FixedPoint) -> np.ndarray:
    """`x * factor`, rounded twice, halves up: int32 values -> int64, as ruy does it."""
    product, places = _high_product(x, factor)
    return (product + ((1 << places) >> 1)) >> places


def multiply_halves_away(x, factor: FixedPoint) -> np.ndarray:
    """`x * factor`, rounded twice, halves away from zero: int32 values -> int64, as TFLite does."""
    product, places = _high_product(x, factor)
    # One less before a negative number is rounded up turns its halves down.
    return (product + ((1 << places) >> 1) - ((product < 0) & (places > 0))) >> places
