"""The scale factor of a super-resolution file."""

from __future__ import annotations

from export.running.interpreters import Runner
from sr_models.errors import ModelFileError


def find_scale(runner: Runner, *, luma: bool = False) -> int:
    """The scale factor of a super-resolution file, from the shapes of its input and output.

    Args:
        runner: An opened file.
        luma: Whether a file of one channel will do.

    Raises:
        ModelFileError: The shapes are not (N, H, W, 3) and (N, H s, W s, 3) for a whole s.
    """
    inputs, outputs = runner.inputs, runner.outputs
    channels = (1, 3) if luma else (3,)
    if len(inputs) == 1 and outputs:
        low, high = inputs[0].shape, outputs[0].shape
        if len(low) == len(high) == 4 and low[3] == high[3] in channels and min(low) > 0:
            scale = high[1] // low[1]
            if scale >= 1 and (low[1] * scale, low[2] * scale) == high[1:3]:
                return scale
    shapes = [list(tensor.shape) for tensor in (*inputs, *outputs)]
    raise ModelFileError(
        f"expected an RGB {'or luma ' if luma else ''}picture in and one s times as large out, "
        f"found shapes {shapes} in {runner.model.name}; give a super-resolution file"
    )
