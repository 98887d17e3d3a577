"""What is wrong where the codes of a file's input or output are no pixels."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from export.inspecting.audit import broken_by
from export.inspecting.finding import Finding
from sr_models.ground.pixel_range import Ends
from sr_models.quantization.contract import PixelGrid
from sr_models.tflite.flatbuffer import TensorInfo
from sr_models.tflite.unpacked import grid_of

_COARSE_GREY_LEVELS = 1.05


def broken_contract(
    role: str, tensor: TensorInfo, black_white: Ends, repairable: Collection[str] | None
) -> Iterator[Finding]:
    """Why the codes of one input or output are no pixels, where they are not.

    Args:
        role: `input` or `output`.
        tensor: The tensor.
        black_white: What black and white are for it.
        repairable: The roles that can be repaired; `None` where that is not known.
    """
    if tensor.dtype not in ("uint8", "int8"):
        yield Finding(
            "contract",
            f"{role} {tensor.name} is {tensor.dtype}, not uint8 or int8",
            "pictures have to be converted before or after every run",
            "export it with --io uint8",
        )
        return
    grid = grid_of(tensor)
    if grid is None:
        yield Finding(
            "contract",
            f"{role} {tensor.name} has no single scale and zero point",
            "nobody can tell which code is which pixel",
            "export it again",
        )
        return
    if not broken_by(role, tensor, ends=black_white):
        return
    ends = [255.0 * (value - black_white.black) / black_white.width for value in grid.span]
    scale = 255.0 * tensor.scale / black_white.width
    if role == "input":
        brightest = (
            f", calibrated on pictures whose brightest value was {ends[1]:.0f}"
            if abs(ends[0]) < 0.5 and ends[1] < 254.5
            else ""
        )
        yield Finding(
            "contract",
            f"255 is read as {ends[1]:.0f} and 0 as {ends[0]:.0f}: input scale "
            f"{scale:.3f}, zero point {tensor.zero_point}{brightest}",
            f"pictures that are fed as they are come out {_off(ends)}",
            _repair(
                role, repairable, otherwise="calibrate with pictures that hold black and white"
            ),
        )
        return
    yield Finding(
        "contract",
        f"the lowest code stands for {ends[0]:.1f} and the highest for {ends[1]:.1f} "
        f"of 255: output scale {scale:.3f}, zero point {tensor.zero_point}",
        "whoever reads the codes as pixels sees wrong brightness and contrast",
        _repair(role, repairable, otherwise="export it clip-free with CFQP"),
    )


def _repair(role: str, repairable: Collection[str] | None, *, otherwise: str) -> str:
    if repairable is None:
        return f"sr-export strip --repair-io where that is exact; else {otherwise}"
    return "sr-export strip --repair-io" if role in repairable else otherwise


def _off(ends: list[float]) -> str:
    if ends[1] < 254.5:
        return f"{1 - ends[1] / 255:.1%} too dark"
    return f"{ends[1] / 255 - 1:.1%} too bright" if ends[1] > 255.5 else "shifted"


def coarse_grid(tensor: TensorInfo, ends: Ends) -> Iterator[Finding]:
    """Whether a code of an output is more than one grey level."""
    held = grid_of(tensor)
    if held is None or tensor.dtype == "int16":
        return
    grid = PixelGrid.of_grid(held, ends)
    step = 255.0 * grid.scale
    if step <= _COARSE_GREY_LEVELS:
        return
    below = max(0, round(grid.zero_point))
    yield Finding(
        "coarse",
        f"output steps of {step:.2f} grey levels, {below} of 256 codes below black",
        "gradients band, and codes are spent on values that no screen shows",
        "export it with CFQP, which gives one code to each grey level",
    )
