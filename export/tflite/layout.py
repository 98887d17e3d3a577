"""Which way round a tensor stores pictures."""

from __future__ import annotations

from collections.abc import Sequence


def is_channels_first(shape: Sequence[int]) -> bool:
    """Whether a shape is that of pictures (N, C, H, W) of colours or luma, as of PyTorch."""
    return len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3)
