"""How the pixels of a picture become the values of a tensor, and back.

Two readings. *Raw*: the codes of an 8-bit tensor are the pixels (int8: less 128). *Dequantized*:
a code stands for the real value `scale * (code - zero_point)`, and a picture's white for 1 or 255,
whichever range the tensor can hold. Under the pixel contract they are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from export.running.interpreters import Runner, Tensor
from sr_models.ground.arguments import a_picture, having, takes
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.ground.pictures import to_pixels

# Networks end at 1 or at 255; the geometric mean tells them apart, however loose the range.
_BETWEEN_RANGES = 16.0
# A contract scale is 1/255 in float32, so 255 codes end a few parts in 1e8 above 1.
_ROUNDING = 1e-5
EIGHT_BITS = ("uint8", "int8")


@dataclass(frozen=True)
class Upscaled:
    """One picture that a file has upscaled, by both readings.

    Attributes:
        raw: uint8 (H s, W s, 3), the codes read as pixels.
        dequantized: uint8 (H s, W s, 3), through scale and zero point.
        saturated_fraction: Share of dequantized values that lay outside of black to white.
    """

    raw: np.ndarray
    dequantized: np.ndarray
    saturated_fraction: float


def white_value(tensor: Tensor, *, white: float | None = None) -> float:
    """The real value that stands for white: 1 or 255.

    Args:
        tensor: A quantized tensor tells by the largest value it can hold; any other counts as 1.
        white: What the caller knows better.

    Raises:
        OptionError: `white` is neither 1 nor 255.
    """
    if white is not None:
        if white not in (1, 255):
            raise OptionError(f"expected 1 or 255 as the value of white, found {white:g}")
        return float(white)
    if tensor.scale is None or np.dtype(tensor.dtype).kind not in "iu":
        return 1.0
    largest = (np.iinfo(tensor.dtype).max - tensor.zero_point) * tensor.scale
    return 255.0 if largest > _BETWEEN_RANGES else 1.0


def codes_of_pixels(pixels: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Raw feeding: uint8 pixels as the codes of an 8-bit tensor, quantized for any other type."""
    if tensor.dtype == "uint8":
        return pixels
    if tensor.dtype == "int8":
        return (pixels.astype(np.int16) - 128).astype(np.int8)
    return quantized_pixels(pixels, tensor)


def quantized_pixels(
    pixels: np.ndarray, tensor: Tensor, *, white: float | None = None
) -> np.ndarray:
    """Dequantized feeding: uint8 pixels as real values, by the tensor's own parameters."""
    values = pixels * (white_value(tensor, white=white) / 255.0)
    if tensor.scale is None:
        return values.astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    codes = np.rint(values / tensor.scale) + tensor.zero_point
    return np.clip(codes, limits.min, limits.max).astype(tensor.dtype)


def pixels_of_codes(codes: np.ndarray, tensor: Tensor, *, white: float | None = None) -> np.ndarray:
    """Raw reading: the codes of an 8-bit tensor as uint8 pixels; any other type dequantized."""
    if tensor.dtype == "uint8":
        return codes
    if tensor.dtype == "int8":
        return (codes.astype(np.int16) + 128).astype(np.uint8)
    return dequantized_pixels(codes, tensor, white=white)[0]


def dequantized_pixels(
    codes: np.ndarray, tensor: Tensor, *, white: float | None = None
) -> tuple[np.ndarray, float]:
    """Dequantized reading, saturated and rounded.

    Returns:
        uint8 pixels, and the fraction of values that had to be saturated.

    Raises:
        ModelFileError: The output holds values that are no numbers.
    """
    values = codes.astype(np.float64)
    if tensor.scale is not None:
        values = (values - tensor.zero_point) * tensor.scale
    values /= white_value(tensor, white=white)
    if not np.isfinite(values).all():
        raise ModelFileError(
            f"expected finite output, found infinity or NaN in {tensor.name}; export it again"
        )
    outside = (values < -_ROUNDING) | (values > 1 + _ROUNDING)
    pixels = to_pixels(values)
    return pixels, float(outside.mean())


@takes(
    runner=having("inputs", "outputs", what="an opened file", cure="give export.open_model(path)"),
    picture=a_picture,
)
def upscale(runner: Runner, picture: np.ndarray, *, white: float | None = None) -> Upscaled:
    """Upscale one picture at its own size, by both readings.

    Args:
        runner: An opened super-resolution file; it is resized where the picture asks for it.
        picture: uint8 (H, W, 3), RGB.
        white: Real value of white for files that do not tell, 1 or 255.
    """
    if runner.inputs[0].shape != (1, *picture.shape):
        runner.resize(*picture.shape[:2])
    source, target = runner.inputs[0], runner.outputs[0]
    fed = quantized_pixels(picture, source, white=white)[None]
    output = runner.run(fed)[0]
    dequantized, saturated = dequantized_pixels(output, target, white=white)
    if source.dtype in EIGHT_BITS:
        as_codes = codes_of_pixels(picture, source)[None]
        # The same codes would give the same output: most files are run once.
        output = output if np.array_equal(as_codes, fed) else runner.run(as_codes)[0]
    return Upscaled(pixels_of_codes(output, target, white=white), dequantized, saturated)


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
