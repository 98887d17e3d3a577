"""Where the bounds of a student's weights start, before anything is tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sr_models.quantizers.dual_region import SHRINKS, DualRegionConvolution, least_error_bound

BETTER = "better"
WEIGHT_STARTS = ("least_error", "largest", BETTER)
"""At the least squared error of the weights (published), at the largest weight (ours), or at
whichever of these two leaves the picture nearer to the float network's (ours). Where few large
weights carry the picture, as in XLSR, the first one cuts them: W4A4 of xlsr_x3 before fine-tuning
is 16.6 dB from the float network with it and 28.6 dB with the second (RGB, saturated, one 48x48
crop of scikit-image's rocket, calibrated with three other crops)."""


def start_bounds(convolutions: Mapping[str, DualRegionConvolution], start: str) -> None:
    """Set each layer's bound as `start` says; `"better"` begins as published, until calibrated."""
    shrinks = 1 if start == "largest" else SHRINKS
    for layer in convolutions.values():
        bound = least_error_bound(
            layer.kernel.numpy(),
            bits=layer.bits,
            grid=layer.grid,
            per_channel=layer.grid == "narrow",
            shrinks=shrinks,
        )
        layer.bound.assign(bound)


def with_better_start(student, teacher, *, pictures: np.ndarray):
    """The student with its bounds started where the picture errs less.

    Args:
        student: An `OutlierStudent` whose regions are set.
        teacher: The float network that it was made of.
        pictures: float32 (N, h, w, 3) in 0..1.

    Returns:
        The same student; its settings name the start that was taken.
    """
    expected, errors = np.clip(teacher(pictures, training=False), 0.0, 1.0), {}
    for start in (name for name in WEIGHT_STARTS if name != BETTER):
        start_bounds(student.convolutions, start)
        found = np.clip(student.model(pictures, training=False), 0.0, 1.0)
        errors[start] = float(np.mean(np.square(found - expected)))
    # Of equals the published one, which comes first.
    taken = min(errors, key=errors.__getitem__)
    start_bounds(student.convolutions, taken)
    return replace(student, settings=replace(student.settings, weight_start=taken))
