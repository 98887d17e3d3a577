"""Transposed convolutions as convolutions of the small picture."""

from __future__ import annotations

import numpy as np


def as_convolution(
    kernel: np.ndarray, *, stride: int, padding: str | tuple[int, int]
) -> np.ndarray:
    """The kernel of the convolution whose channels are the pixels of each s x s block.

    A transposed convolution adds `x[i] kernel[t]` to output pixel `i s + t - p`. Pixel `s q + r`
    therefore reads input `q + d` with tap `t = r + p - s d`: one small kernel for each r. Inputs
    beyond the border count as zero in both forms, so the border is exact too.

    Args:
        kernel: float32 (h, w, out, in), TensorFlow's layout of transposed convolutions.
        stride: s, the factor by which the picture grows.
        padding: `"same"`, or `"valid"` where the kernel is no larger than the stride; or p itself,
            of rows and of columns.

    Returns:
        float32 (2 R + 1, 2 R + 1, in, out s^2), for zero padding of R; channel `(i s + j) out + c`
        is pixel (i, j) of channel c, as depth-to-space wants it.
    """
    height, width, outputs, inputs = kernel.shape

    def before(size: int) -> int:
        return max(0, size - stride) // 2 if padding == "same" else 0

    def taps(size: int, p: int):
        """(offset d, place r, tap t) of one axis."""
        return [
            ((r + p - t) // stride, r, t)
            for r in range(stride)
            for t in range(size)
            if (r + p - t) % stride == 0
        ]

    given = (before(height), before(width)) if isinstance(padding, str) else padding
    rows, columns = taps(height, given[0]), taps(width, given[1])
    radius = max(abs(d) for d, _, _ in (*rows, *columns))
    made = np.zeros((2 * radius + 1, 2 * radius + 1, inputs, stride, stride, outputs), np.float32)
    for dy, i, ty in rows:
        for dx, j, tx in columns:
            made[dy + radius, dx + radius, :, i, j] = kernel[ty, tx].T
    return made.reshape(*made.shape[:3], stride**2 * outputs)
