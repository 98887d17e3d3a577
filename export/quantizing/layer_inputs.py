"""What convolutions read: windows of their input, in the float and in the quantized network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.importing.geometry import same_padding
from sr_models.networks.graph import points
from sr_models.networks.memory import pictures_at_once
from sr_models.networks.walk import Walk
from sr_models.observing.tensors import TensorReader

ROWS = 24_000
BATCH = 8


def convolutions(model) -> list[str]:
    """Names of the trained convolutions, in the order of computation.

    Left out are layers whose weights are fixed, such as the identity of an anchor, and those with
    dilation, which no super-resolution network here has.
    """
    return [
        name
        for name, point in points(model).items()
        if type(point.layer) is tf_keras.layers.Conv2D
        and point.layer.trainable
        and set(point.layer.dilation_rate) == {1}
    ]


def windows(
    tensor: np.ndarray,
    places: np.ndarray,
    *,
    size: tuple[int, int],
    strides: tuple[int, int] = (1, 1),
    padding: str = "same",
) -> np.ndarray:
    """The inputs of a convolution at some places, zero padded as TensorFlow pads.

    Args:
        tensor: float (N, H, W, C).
        places: int (N, R), rows-first indices of pixels of the output, R of them in each picture.
        size: Height and width of the kernel.
        strides: Rows and columns from one window to the next.
        padding: `"same"` or `"valid"`.

    Returns:
        float (N R, height * width, C), the order of a kernel's first axes.
    """
    around = [(0, 0), (0, 0)]
    if padding == "same":
        axes = zip(tensor.shape[1:3], size, strides)
        around = [same_padding(n, kernel=k, stride=s) for n, k, s in axes]
    padded = np.pad(tensor, [(0, 0), *around, (0, 0)])
    view = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(1, 2))
    view = view[:, :: strides[0], :: strides[1]]
    y, x = np.divmod(places, view.shape[2])
    taken = view[np.arange(len(tensor))[:, None], y, x]
    taken = taken.reshape(-1, tensor.shape[3], size[0] * size[1])
    return np.swapaxes(taken, 1, 2)


def draw_places(pictures: np.ndarray, *, seed: int) -> np.ndarray:
    """int (N, R): R different pixels of each picture, about `ROWS` in all."""
    size = pictures.shape[1] * pictures.shape[2]
    count = min(size, -(-ROWS // len(pictures)))
    rng = np.random.default_rng([seed, 2])
    return np.stack([rng.choice(size, count, replace=False) for _ in pictures])


def places_in(places: np.ndarray, *, size: int, of: int) -> np.ndarray:
    """Places of a picture of `of` pixels, as places of a tensor of `size` pixels.

    A layer behind depth-to-space has several pixels for each of the picture's, and all of their
    positions are taken in turn; one behind space-to-depth has fewer.
    """
    return places * size // of + places % max(1, size // of)


@dataclass(frozen=True)
class LayerInputs:
    """Windows of a network's tensors at fixed places of fixed pictures.

    Attributes:
        model: A network, whose weights may change while its layers are gone through.
        pictures: float32 (N, h, w, 3) in 0..1.
        places: int (N, R) pixels of the pictures, rows first; `places_in` a layer of another size.
    """

    model: Any
    pictures: np.ndarray
    places: np.ndarray

    def rows(self, name: str) -> np.ndarray:
        """What a convolution reads: float32 (N R, height width, C).

        Convolutions are asked for in the order of computation, and what stands before one has got
        its weights by then: tensors are computed once, by the weights of that moment.
        """
        point = points(self.model)[name]
        layer = getattr(point.layer, "convolution", point.layer)
        read = {"size": layer.kernel_size, "strides": layer.strides, "padding": layer.padding}
        parts = []
        for tensor, (batch, places) in zip(self._walk.tensors(point.inputs[0]), self._batches()):
            shape = layer.compute_output_shape(tensor.shape)
            parts.append(windows(tensor.numpy(), _places_in(shape, places, batch), **read))
        return np.concatenate(parts)

    @cached_property
    def _walk(self) -> Walk:
        return Walk(self.model, [batch for batch, _ in self._batches()])

    def products(self, names: list[str]) -> dict[str, np.ndarray]:
        """What convolutions answer, before bias and activation: name -> float32 (N R, C)."""
        reader = TensorReader(self.model, [], products=names)
        size, found = self.pictures.shape[1] * self.pictures.shape[2], reader.each(self.pictures)
        rows = [
            [_taken(tensor, places=places, of=size) for tensor in tensors]
            for places, tensors in zip(self.places, found)
        ]
        return {name: np.concatenate(parts) for name, parts in zip(names, zip(*rows))}

    def _batches(self):
        _, height, width, _ = self.pictures.shape
        step = pictures_at_once(self.model, height=height, width=width, most=BATCH)
        for first in range(0, len(self.pictures), step):
            chosen = slice(first, first + step)
            yield tf.constant(self.pictures[chosen]), self.places[chosen]


def _places_in(shape, places: np.ndarray, batch) -> np.ndarray:
    size, of = (int(s[1] * s[2]) for s in (shape, batch.shape))
    return places_in(places, size=size, of=of)


def _taken(tensor: np.ndarray, *, places: np.ndarray, of: int) -> np.ndarray:
    """(1, H, W, C) at (R,) places of a picture of `of` pixels -> (R, C)."""
    flat = tensor.reshape(-1, tensor.shape[-1])
    return flat[places_in(places, size=len(flat), of=of)]
