"""The inputs and outputs of a file as an interpreter tells of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from export.tflite.layout import is_channels_first


@dataclass(frozen=True)
class Tensor:
    """An input or output of a file.

    Attributes:
        name: Name in the file.
        shape: Present shape, of pictures (N, H, W, C) or (N, C, H, W).
        dtype: NumPy name of the element type: `uint8`, `int8`, `int16`, `float32` ...
        scale: Real value of one code; `None` where the tensor is not quantized.
        zero_point: Code of the real value 0; `None` where the tensor is not quantized.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None

    @property
    def channels_first(self) -> bool:
        """Whether it is a picture (N, C, H, W) of colours or luma, as PyTorch's networks have."""
        return is_channels_first(self.shape)

    @property
    def picture_shape(self) -> tuple[int, ...] | None:
        """Height, width and channels; `None` where it is no picture."""
        if len(self.shape) != 4:
            return None
        one, two, three = self.shape[1:]
        return (two, three, one) if self.channels_first else (one, two, three)

    def to_json(self) -> dict:
        """The attributes, the shape as a list."""
        return {**asdict(self), "shape": list(self.shape)}


def tensor_of(details: dict) -> Tensor:
    """A tensor from what an interpreter tells of it."""
    parameters = details["quantization_parameters"]
    quantized = len(parameters["scales"]) > 0
    return Tensor(
        name=details["name"],
        shape=tuple(int(size) for size in details["shape"]),
        dtype=np.dtype(details["dtype"]).name,
        scale=float(parameters["scales"][0]) if quantized else None,
        zero_point=int(parameters["zero_points"][0]) if quantized else None,
    )


def described(details: dict) -> str:
    """The same in a few words, for messages: `(1, 24, 24, 3) uint8`."""
    return f"{tuple(int(n) for n in details['shape'])} {np.dtype(details['dtype']).name}"


def factors(low: Tensor, high: Tensor) -> tuple[float, float] | None:
    """By how much one picture is higher and wider than another; `None` where one is none."""
    sizes = low.picture_shape, high.picture_shape
    if None in sizes or min(*sizes[0], *sizes[1]) < 1:
        return None
    return sizes[1][0] / sizes[0][0], sizes[1][1] / sizes[0][1]
