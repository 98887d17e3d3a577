"""What the float network answers: ranges of its output and of every tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tf_keras

from sr_models.ground.errors import CalibrationError
from sr_models.ground.pictures import unit
from sr_models.networks.graph import output_name, points
from sr_models.networks.memory import pixels_at_once
from sr_models.observing.tensors import TensorReader, ends_of

BATCH_PIXELS = 150_000


@dataclass(frozen=True)
class OutputProbe:
    """Ranges of the network's output, picture by picture.

    Attributes:
        minimum: float32 (N, C), least output value per picture and channel, 1.0 is white.
        maximum: float32 (N, C), greatest.
    """

    minimum: np.ndarray
    maximum: np.ndarray


@dataclass(frozen=True)
class LayerProbe:
    """Ranges of every tensor of the network, picture by picture.

    Attributes:
        names: Names of the points, P of them, input first.
        minimum: float32 (N, P).
        maximum: float32 (N, P).
    """

    names: tuple[str, ...]
    minimum: np.ndarray
    maximum: np.ndarray

    def first(self, count: int) -> LayerProbe:
        """That of the first pictures alone."""
        return LayerProbe(self.names, self.minimum[:count], self.maximum[:count])

    def union(self) -> dict[str, tuple[float, float]]:
        """Point name -> (minimum, maximum) over all pictures."""
        low, high = self.minimum.min(axis=0), self.maximum.max(axis=0)
        return {n: (float(a), float(b)) for n, a, b in zip(self.names, low, high)}


class OutputProber:
    """Runs a network on many pictures and keeps only the ranges of its output.

    Attributes:
        forward_passes: Number of pictures that went through the network so far.
    """

    def __init__(self, model):
        self.forward_passes = 0
        named = isinstance(model, tf_keras.Model)
        self._reader = TensorReader(model, [output_name(model) if named else "output"])

    def answer(self, batch: np.ndarray) -> np.ndarray:
        """The whole output: float32 (n, h, w, 3), 0..1 -> (n, h s, w s, 3)."""
        self.forward_passes += len(batch)
        return self._reader(batch)[0]

    def __call__(
        self,
        pictures: Sequence[np.ndarray],
        *,
        on_batch: Callable[[int, int], None] = lambda done, total: None,
    ) -> OutputProbe:
        """Probe uint8 pictures (h, w, 3).

        Raises:
            CalibrationError: The output for a picture is not finite.
        """
        self.forward_passes += len(pictures)
        found = read_pictures(self._reader, pictures, ends_of, on_batch=on_batch)
        minimum, maximum = np.stack([ends for (ends,) in found], axis=1)
        finite = (np.isfinite(minimum) & np.isfinite(maximum)).all(axis=1)
        if not finite.all():
            raise CalibrationError(
                f"expected finite outputs, found NaN or infinity for {int((~finite).sum())} of "
                f"{len(pictures)} pictures; check the network's weights"
            )
        return OutputProbe(minimum, maximum)


def probe_layers(
    model,
    pictures: Sequence[np.ndarray],
    *,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> LayerProbe:
    """The range of every tensor of the network on each picture.

    The float network is observed, not the TFLite calibrator's graph: that one runs on one thread
    and records an in-place ADD's output as its first operand's range
    (github.com/tensorflow/tensorflow/issues/127842).

    Args:
        model: Functional Keras network, input in 0..1.
        pictures: uint8 (h, w, 3), RGB.
        on_batch: Called with the number of pictures done and the total.

    Raises:
        CalibrationError: A tensor is not finite.
    """
    names = tuple(points(model))
    found = read_pictures(
        TensorReader(model, names),
        pictures,
        lambda tensor: (tensor.min(), tensor.max()),
        on_batch=on_batch,
    )
    minimum, maximum = np.moveaxis(np.array(found, np.float32), -1, 0)
    finite = np.isfinite(minimum).all(axis=0) & np.isfinite(maximum).all(axis=0)
    if not finite.all():
        name = names[int(np.argmin(finite))]
        raise CalibrationError(
            f"expected finite values everywhere, found NaN or infinity in tensor {name}; "
            "check the network's weights"
        )
    return LayerProbe(names, minimum, maximum)


def stacked(pictures: Sequence[np.ndarray], model) -> Iterator[np.ndarray]:
    """Pictures of one size, uint8 (h, w, C), in their order as batches of (n, h, w, C).

    Args:
        pictures: Any number.
        model: The network that they are for, by which memory has room for so many at once.
    """
    pixels = pixels_at_once(model, most=BATCH_PIXELS)
    step = max(1, pixels // (pictures[0].shape[0] * pictures[0].shape[1]))
    for first in range(0, len(pictures), step):
        yield np.stack(pictures[first : first + step])


def read_pictures(
    reader: TensorReader,
    pictures: Sequence[np.ndarray],
    form: Callable[[np.ndarray], Any] | Sequence[Callable],
    *,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> list[list]:
    """A form of each tensor for each picture, those of one size after each other.

    Args:
        reader: The network.
        pictures: uint8 (h, w, 3), RGB.
        form: What is kept of a tensor, see `TensorReader.each`.
        on_batch: Called with the number of pictures done and the total.

    Returns:
        For each picture, in their order, a list with an entry for each tensor.
    """
    by_size: dict[tuple, list[int]] = {}
    for index, picture in enumerate(pictures):
        by_size.setdefault(picture.shape, []).append(index)
    found: dict[int, list] = {}
    for members in by_size.values():
        batch = unit(np.stack([pictures[index] for index in members]))
        for index, forms in zip(members, reader.each(batch, form)):
            found[index] = forms
            on_batch(len(found), len(pictures))
    return [found[index] for index in range(len(pictures))]
