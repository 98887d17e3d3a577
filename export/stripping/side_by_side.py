"""Two files run on the same pictures: how far apart are their codes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from export.running.interpreters import Runner, open_model
from export.stripping.probes import feed, probe_pictures
from sr_models.errors import ModelFileError

PROBE_HEIGHT, PROBE_WIDTH = 48, 64
"""Size that files are compared at where they let themselves be resized: seconds, not minutes."""


@dataclass(frozen=True)
class Agreement:
    """How far apart two files are.

    Attributes:
        max_abs_code_difference: Greatest difference of two output codes.
        mean_abs_code_difference: Mean of them all.
        differing_fraction: Share of output codes that differ at all.
        samples: Pictures that both files ran.
        codes: Output codes compared.
        height: Input height in pixels; 0 where the input is no picture.
        width: Input width in pixels.
        same_signatures: Whether both offer the same signatures.
        left_behind: Operators that XNNPACK leaves to the interpreter, before and after.
        partitions: Parts that XNNPACK takes, before and after.
    """

    max_abs_code_difference: float
    mean_abs_code_difference: float
    differing_fraction: float
    samples: int
    codes: int
    height: int
    width: int
    same_signatures: bool
    left_behind: tuple[int, int]
    partitions: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """The attributes."""
        return asdict(self)


def compare_files(
    before: bytes,
    after: bytes,
    *,
    steps: Sequence[float],
    delegate: str = "builtin",
    probes: int | None = None,
    seed: int = 0,
    levels: Sequence[Sequence[int]] | None = None,
    reread: Sequence[Sequence[float]] | None = None,
    saturate: Sequence[Sequence[float] | None] | None = None,
) -> Agreement:
    """Run two files on the same probes.

    Args:
        before: A file's content.
        after: The changed file's content; inputs and outputs must be the same.
        steps: For each output, what counts as one code: 1, or the step of outputs of real numbers.
        delegate: Kernels that both run on.
        probes: Run so many of the probes only, spread over their kinds.
        seed: Seed of the random probes.
        levels: Codes for the first file, and codes of the same real values for the second: probes
            are made of these alone. For files with one input.
        reread: For each output, scale and zero point of the first file and of the second: the first
            one's codes are read as real values, and written as codes of the second.
        saturate: For each output, between what the second file's values are bounded before they are
            compared, if at all.

    Raises:
        ModelFileError: One of them cannot be run, or they differ in inputs or outputs.
    """
    first, second = _open_alike(before, after, delegate=delegate)
    shape = first.inputs[0].shape if first.inputs else ()
    height, width = shape[1:3] if len(shape) == 4 else (PROBE_HEIGHT, PROBE_WIDTH)
    greatest, total, differing, codes, samples = 0.0, 0.0, 0, 0, 0
    pictures = [picture for _, picture in probe_pictures(height, width, seed=seed)]
    stride = 1 if probes is None else -(-len(pictures) // probes)
    for index, picture in enumerate(pictures[::stride]):
        # Networks of real numbers work on 0..1 or on 0..255, and do not say on which.
        white = (1.0, 255.0)[index % 2]
        for place, runner in enumerate((first, second)):
            fed = [feed(picture, tensor, white=white) for tensor in runner.inputs]
            if levels is not None:
                fed = [_of_levels(fed[0], levels[place])]
            runner.set_inputs(*fed)
            runner.invoke()
        samples += 1
        for place, step in enumerate(steps):
            one, other = first.output(place), second.output(place)
            if one.shape != other.shape:
                raise ModelFileError(
                    f"expected outputs of one shape, found {one.shape} and {other.shape}; "
                    "leave the file as it is"
                )
            if reread is not None:
                one = _reread(one, *reread[place])
            if saturate is not None and saturate[place] is not None:
                other = np.clip(other, *saturate[place])
            apart = np.abs(one.astype(np.float64) - other.astype(np.float64)) / step
            if step != 1.0:
                apart = np.rint(apart)
            total += float(apart.sum())
            greatest = max(greatest, float(apart.max(initial=0.0)))
            differing += int(np.count_nonzero(apart))
            codes += apart.size
    delegations = [_delegation(content, first) for content in (before, after)]
    return Agreement(
        greatest,
        total / max(codes, 1),
        differing / max(codes, 1),
        samples,
        codes,
        *((height, width) if len(shape) == 4 else (0, 0)),
        same_signatures=first.signatures == second.signatures,
        left_behind=tuple(len(d.left_behind) if d else 0 for d in delegations),
        partitions=tuple(d.partitions if d else 0 for d in delegations),
    )


def _of_levels(codes: np.ndarray, levels: Sequence[int]) -> np.ndarray:
    shifted = codes.astype(np.int64) - np.iinfo(codes.dtype).min
    return np.asarray(levels, codes.dtype)[shifted * len(levels) // 256]


def _reread(
    codes: np.ndarray, scale: float, zero: float, new_scale: float, new_zero: float
) -> np.ndarray:
    limits = np.iinfo(codes.dtype)
    real = (codes.astype(np.float64) - zero) * scale
    return np.clip(np.rint(real / new_scale) + new_zero, limits.min, limits.max)


def _open_alike(before: bytes, after: bytes, *, delegate: str) -> tuple[Runner, Runner]:
    size = {"height": PROBE_HEIGHT, "width": PROBE_WIDTH}
    try:
        runners = tuple(open_model(c, delegate=delegate, **size) for c in (before, after))
        for runner in runners:
            # A file with sizes of its own inside (a RESHAPE) fails only when it runs.
            runner.invoke()
        return runners
    except ModelFileError:
        return tuple(open_model(content, delegate=delegate) for content in (before, after))


def _delegation(content: bytes, like: Runner):
    shape = like.inputs[0].shape if like.inputs else ()
    size = {"height": shape[1], "width": shape[2]} if len(shape) == 4 else {}
    return open_model(content, **size).delegation
