"""The values that a subset-quantized activation may take: sums of four powers of two.

Oh et al., "Non-uniform Step Size Quantization for Accurate Post-training Quantization", ECCV 2022;
words as in github:zysxmu/DFSQ (cluster_process.py). One value of each word, added up, over four,
with both signs: 377 distinct values in [-1, 1], all of them multiples of 2^-10, so that a product
with one is four shifts and three additions. The widest gap is 0.125, from 0.875 to 1.
"""

from __future__ import annotations

import itertools

import numpy as np

WORDS = (
    (1.0, 2.0**-1, 2.0**-5, 0.0),
    (1.0, 2.0**-2, 2.0**-6, 0.0),
    (1.0, 2.0**-3, 2.0**-7, 0.0),
    (1.0, 2.0**-4, 2.0**-8, 0.0),
)
RESOLUTION = 1024
"""All values are whole multiples of one over this."""


def _signed_sums() -> np.ndarray:
    positive = {sum(choice) / len(WORDS) for choice in itertools.product(*WORDS)}
    return np.array(sorted({-value for value in positive} | positive))


UNIVERSAL_SET = _signed_sums()
"""All values, ascending; float64 (377,)."""
UNIVERSAL_SET.flags.writeable = False


def snapped(values: np.ndarray) -> np.ndarray:
    """The nearest value of the universal set to each of `values`; of two the smaller one."""
    middles = (UNIVERSAL_SET[1:] + UNIVERSAL_SET[:-1]) / 2
    return UNIVERSAL_SET[np.searchsorted(middles, values, side="left")]
