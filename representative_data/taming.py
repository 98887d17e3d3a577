"""Taming: change a picture until the float network's output for it stays inside of [0, 1].

The outputs of the float network are the only signal. The CFQP paper (arXiv 2308.11365) does not
publish its steps; these are a reconstruction, and every choice is a parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from representative_data.choices import Taming
from representative_data.probe import OutputProbe
from sr_models.ground.pixel_range import PIXEL_TOLERANCE

_DEFAULT = Taming()


@dataclass(frozen=True)
class TamedPicture:
    """One picture after taming.

    Attributes:
        pixels: uint8 (h, w, 3): what the representative dataset holds.
        status: `"kept"` (fitted as it was), `"tamed"` or `"dropped"`.
        gain: Factor that the pixels were multiplied by.
        offset: What was added after that, in pixel values 0..255.
        blur_sigma: Standard deviation of the blur in pixels.
        before: (minimum, maximum) of the output for the natural picture.
        after: The same for `pixels`.
        passes: How often the network was asked about it.
    """

    pixels: np.ndarray
    status: str
    gain: float
    offset: float
    blur_sigma: float
    before: tuple[float, float]
    after: tuple[float, float]
    passes: int


@dataclass
class _State:
    natural: np.ndarray
    pixels: np.ndarray
    gain: float = 1.0
    offset: float = 0.0
    sigma: float = 0.0
    before: tuple[float, float] | None = None
    after: tuple[float, float] | None = None
    passes: int = 0


def fits(low: float, high: float, *, tolerance: float = PIXEL_TOLERANCE / 2) -> bool:
    """Whether an output range lies in [0, 1], but for a quarter of a code."""
    return low >= -tolerance and high <= 1.0 + tolerance


def affine_step(low: float, high: float, *, aim: float) -> tuple[float, float]:
    """The map `a x + b` that moves an output range into [1 - aim, aim] where it sticks out.

    Exact for a network that commutes with affine changes of intensity; for others it is iterated.
    """
    new_low = low if low >= 0.0 else 1.0 - aim
    new_high = high if high <= 1.0 else aim
    gain = (new_high - new_low) / max(high - low, 1e-6)
    return gain, new_low - gain * low


def _blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(picture.astype(np.float32), (sigma, sigma, 0), mode="nearest")
    return np.rint(smooth).astype(np.uint8)


def _change(state: _State, low: float, high: float, taming: Taming) -> None:
    """One step towards fitting; the change is applied to the natural picture, so it stays one."""
    if taming.method == "blur":
        state.sigma = 0.5 if state.sigma == 0.0 else state.sigma * 1.4
        state.pixels = _blurred(state.natural, state.sigma)
        return
    if taming.method == "intensity":
        gain, offset = taming.aim / max(high, 1e-6), 0.0
    else:
        gain, offset = affine_step(low, high, aim=taming.aim)
    state.gain, state.offset = gain * state.gain, gain * state.offset + 255.0 * offset
    changed = state.gain * state.natural.astype(np.float32) + state.offset
    state.pixels = np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def tame(
    pictures: Sequence[np.ndarray],
    probe: Callable[[Sequence[np.ndarray]], OutputProbe],
    taming: Taming = _DEFAULT,
    *,
    on_pass: Callable[[int, int], None] = lambda done, total: None,
) -> list[TamedPicture]:
    """Change each picture until the network's output for it fits into [0, 1].

    Args:
        pictures: uint8 (h, w, 3), RGB, 0..255.
        probe: Maps pictures to the ranges of their outputs; see `OutputProber`.
        taming: How.
        on_pass: Called after each pass with the number of settled pictures and the total.

    Returns:
        One result for each picture, in order, those that were dropped included.
    """
    states = [_State(natural=picture, pixels=picture) for picture in pictures]
    restless = list(range(len(states)))
    for number in range(taming.max_passes):
        ranges = probe([states[i].pixels for i in restless])
        still = []
        for i, low, high in zip(
            restless, ranges.minimum.min(axis=1).tolist(), ranges.maximum.max(axis=1).tolist()
        ):
            state = states[i]
            state.before = state.before or (low, high)
            state.after = (low, high)
            state.passes += 1
            if not fits(low, high):
                still.append(i)
        restless = still
        on_pass(len(states) - len(restless), len(states))
        # A change after the last pass would leave pictures whose output nobody has seen.
        if not restless or taming.method == "select" or number + 1 == taming.max_passes:
            break
        if taming.target == "set":
            restless = list(range(len(states)))
            lows, highs = zip(*(state.after for state in states))
            ends = [(min(lows), max(highs))] * len(states)
        else:
            ends = [states[i].after for i in restless]
        for i, (low, high) in zip(restless, ends):
            _change(states[i], low, high, taming)
    dropped = set(restless)
    return [_result(state, dropped=i in dropped) for i, state in enumerate(states)]


def _result(state: _State, *, dropped: bool) -> TamedPicture:
    changed = state.gain != 1.0 or state.offset != 0.0 or state.sigma != 0.0
    return TamedPicture(
        pixels=state.pixels,
        status="dropped" if dropped else "tamed" if changed else "kept",
        gain=state.gain,
        offset=state.offset,
        blur_sigma=state.sigma,
        before=state.before,
        after=state.after,
        passes=state.passes,
    )
