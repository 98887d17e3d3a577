"""How the pixels of a picture become the values of a tensor, and back.

Two readings. *Raw*: the codes of an 8-bit tensor are the pixels (int8: less 128). *Dequantized*:
a code stands for the real value `scale * (code - zero_point)`, and a picture's black and white for
the ends of the range that the network works on. Under the pixel contract they are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from export.running.interpreters import Runner, Tensor
from export.tflite.pixel_ends import ends_of_grid
from export.tflite.windows import size_multiple
from sr_models.ground.arguments import a_picture, having, takes
from sr_models.ground.errors import ModelFileError
from sr_models.ground.pictures import to_pixels
from sr_models.ground.pixel_range import BYTE_ENDS, CENTRED_ENDS, UNIT_ENDS, Ends, PixelRange
from sr_models.quantization.contract import PixelGrid
from sr_models.quantization.grids import LIMITS, Grid

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

    def cut(self, made: tuple[int, int], asked: tuple[int, int]) -> Upscaled:
        """The upper left part, of an input of `asked` pixels out of `made`."""
        height, width = (
            n * large // small for n, large, small in zip(asked, self.raw.shape[:2], made)
        )
        parts = (pixels[:height, :width] for pixels in (self.raw, self.dequantized))
        return Upscaled(*parts, self.saturated_fraction)


_multiples: WeakKeyDictionary = WeakKeyDictionary()


def _multiple_of(runner: Runner) -> int:
    """See `size_multiple`; read once for each opened file."""
    if runner not in _multiples:
        _multiples[runner] = size_multiple(runner.model)
    return _multiples[runner]


def ends_of(tensor: Tensor) -> Ends:
    """The likeliest black and white of a tensor, by its own grid alone.

    `export.running.pixel_range.find_pixels` knows more; of real numbers nothing tells here, and
    0..1 is taken.
    """
    if tensor.scale is not None and tensor.zero_point is not None and tensor.dtype in LIMITS:
        return ends_of_grid(Grid(tensor.dtype, tensor.scale, tensor.zero_point)).candidates[0]
    if np.dtype(tensor.dtype).kind == "f":
        return UNIT_ENDS
    return CENTRED_ENDS if tensor.dtype == "int8" else BYTE_ENDS


def codes_are_pixels(tensor: Tensor, *, ends: Ends | None = None) -> bool:
    """Whether each code of an 8-bit tensor stands for its pixel, within half a code."""
    if tensor.dtype not in EIGHT_BITS:
        return False
    if tensor.scale is None or tensor.zero_point is None:
        return (ends or ends_of(tensor)) == ends_of(tensor)
    grid = Grid(tensor.dtype, tensor.scale, tensor.zero_point)
    return PixelGrid.of_grid(grid, ends or ends_of(tensor)).holds


def codes_of_pixels(pixels: np.ndarray, tensor: Tensor, *, ends: Ends | None = None) -> np.ndarray:
    """Raw feeding: uint8 pixels as the codes of an 8-bit tensor, quantized for any other type."""
    if tensor.dtype == "uint8":
        return pixels
    if tensor.dtype == "int8":
        return (pixels.astype(np.int16) - 128).astype(np.int8)
    return quantized_pixels(pixels, tensor, ends=ends)


def quantized_pixels(pixels: np.ndarray, tensor: Tensor, *, ends: Ends | None = None) -> np.ndarray:
    """Dequantized feeding: uint8 pixels as real values, by the tensor's own parameters.

    Args:
        pixels: The picture.
        tensor: What it is fed to.
        ends: Black and white of the tensor; by its own grid without them.
    """
    ends = ends or ends_of(tensor)
    if codes_are_pixels(tensor, ends=ends):
        return codes_of_pixels(pixels, tensor)
    return codes_of_values(pixels * (ends.width / 255.0) + ends.black, tensor)


def codes_of_values(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Real values as what a tensor holds: its nearest codes, saturated."""
    kind = np.dtype(tensor.dtype)
    if kind.kind == "f":
        return values.astype(kind)
    if tensor.scale is not None:
        values = values / tensor.scale + tensor.zero_point
    limits = np.iinfo(kind)
    return np.clip(np.rint(values), limits.min, limits.max).astype(kind)


def values_of_codes(codes: np.ndarray, tensor: Tensor) -> np.ndarray:
    """The real values that a tensor's codes stand for, float64."""
    values = codes.astype(np.float64)
    return values if tensor.scale is None else (values - tensor.zero_point) * tensor.scale


def pixels_of_codes(codes: np.ndarray, tensor: Tensor, *, ends: Ends | None = None) -> np.ndarray:
    """Raw reading: the codes of an 8-bit tensor as uint8 pixels; any other type dequantized."""
    if tensor.dtype == "uint8":
        return codes
    if tensor.dtype == "int8":
        return (codes.astype(np.int16) + 128).astype(np.uint8)
    return dequantized_pixels(codes, tensor, ends=ends)[0]


def dequantized_pixels(
    codes: np.ndarray, tensor: Tensor, *, ends: Ends | None = None
) -> tuple[np.ndarray, float]:
    """Dequantized reading, saturated and rounded.

    Returns:
        uint8 pixels, and the fraction of values that had to be saturated.

    Raises:
        ModelFileError: The output holds values that are no numbers.
    """
    ends = ends or ends_of(tensor)
    if codes_are_pixels(tensor, ends=ends):
        return pixels_of_codes(codes, tensor), 0.0
    values = (values_of_codes(codes, tensor) - ends.black) / ends.width
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
def upscale(runner: Runner, picture: np.ndarray, *, pixels: PixelRange | None = None) -> Upscaled:
    """Upscale one picture at its own size, by both readings.

    Args:
        runner: An opened super-resolution file; it is resized where the picture asks for it.
        picture: uint8 (H, W, 3), RGB.
        pixels: Black and white of the file, see `export.running.pixel_range.find_pixels`; by the
            grids of input and output alone without them.
    """
    asked, multiple = picture.shape[:2], _multiple_of(runner)
    missing = [-side % multiple for side in asked]
    if any(missing) and runner.inputs[0].picture_shape != picture.shape:
        # What strides do not divide is mirrored to where they do, and cut off again.
        picture = np.pad(picture, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
    if runner.inputs[0].picture_shape != picture.shape:
        runner.resize(*picture.shape[:2])
    source, target = runner.inputs[0], runner.outputs[0]
    low = pixels.input_ends if pixels else ends_of(source)
    high = pixels.output_ends if pixels else ends_of(target)
    fed = quantized_pixels(picture, source, ends=low)
    output = run_picture(runner, fed)
    dequantized, saturated = dequantized_pixels(output, target, ends=high)
    if source.dtype in EIGHT_BITS:
        as_codes = codes_of_pixels(picture, source)
        # The same codes would give the same output: most files are run once.
        output = output if np.array_equal(as_codes, fed) else run_picture(runner, as_codes)
    made = Upscaled(pixels_of_codes(output, target, ends=high), dequantized, saturated)
    return made.cut(picture.shape[:2], asked) if any(missing) else made


def run_picture(runner: Runner, codes: np.ndarray) -> np.ndarray:
    """Run a file on one picture's codes (H, W, C), whichever way round it stores pictures."""
    first = [tensor.channels_first for tensor in (runner.inputs[0], runner.outputs[0])]
    codes = np.ascontiguousarray(codes.transpose(2, 0, 1) if first[0] else codes)
    output = runner.run(codes[None])[0]
    return np.ascontiguousarray(output.transpose(1, 2, 0)) if first[1] else output


def find_scale(runner: Runner, *, luma: bool = False) -> int:
    """The scale factor of a super-resolution file, from the shapes of its input and output.

    Args:
        runner: An opened file.
        luma: Whether a file of one channel will do.

    Raises:
        ModelFileError: The shapes are not (N, H, W, 3) and (N, H s, W s, 3) for a whole s, or the
            same with channels first.
    """
    inputs, outputs = runner.inputs, runner.outputs
    channels = (1, 3) if luma else (3,)
    if len(inputs) == 1 and outputs:
        low, high = inputs[0].picture_shape, outputs[0].picture_shape
        if low and high and low[2] == high[2] in channels and min(low) > 0:
            scale = high[0] // low[0]
            if scale >= 1 and (low[0] * scale, low[1] * scale) == high[:2]:
                return scale
    shapes = [list(tensor.shape) for tensor in (*inputs, *outputs)]
    raise ModelFileError(
        f"expected an RGB {'or luma ' if luma else ''}picture in and one s times as large out, "
        f"found shapes {shapes} in {runner.model.name}; give a super-resolution file"
    )
