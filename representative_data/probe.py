"""What the float network answers: ranges of its output and of every tensor, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from representative_data.choices import MIN_SIDE
from sr_models.ground.errors import CalibrationError
from sr_models.networks.graph import points, watcher, with_split_groups
from sr_models.networks.keras_windows import size_multiple
from sr_models.networks.memory import pixels_at_once, side_in_budget

BATCH_PIXELS = 150_000


def unit_tensor(pictures):
    """`sr_models.ground.pictures.unit` as a part of a TensorFlow graph."""
    return tf.cast(pictures, tf.float32) / 255.0


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
        self.model = with_split_groups(model)
        self._reduce = tf.function(self._output_range, reduce_retracing=True)
        self._pixels = pixels_at_once(model, most=BATCH_PIXELS)

    def answer(self, batch: np.ndarray) -> np.ndarray:
        """The whole output: float32 (n, h, w, 3), 0..1 -> (n, h s, w s, 3)."""
        self.forward_passes += len(batch)
        _, height, width, _ = batch.shape
        step = max(1, self._pixels // (height * width))
        parts = [batch[i : i + step] for i in range(0, len(batch), step)]
        return np.concatenate([np.asarray(self.model(part, training=False)) for part in parts])

    def _output_range(self, pictures):
        y = self.model(unit_tensor(pictures), training=False)
        return tf.reduce_min(y, axis=(1, 2)), tf.reduce_max(y, axis=(1, 2))

    def __call__(
        self,
        pictures: Sequence[np.ndarray],
        *,
        on_batch: Callable[[int, int], None] = lambda done, total: None,
    ) -> OutputProbe:
        """Probe uint8 pictures (h, w, 3); those of equal size run together.

        Raises:
            CalibrationError: The output for a picture is not finite.
        """
        self.forward_passes += len(pictures)
        minimum, maximum = run_in_batches(
            self._reduce, pictures, pixels=self._pixels, on_batch=on_batch
        )
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

    The float Keras graph is observed, not the TFLite calibrator's graph: that one runs on one
    thread and records an in-place ADD's output as its first operand's range
    (github.com/tensorflow/tensorflow/issues/127842).

    Args:
        model: Functional Keras network, input in 0..1.
        pictures: uint8 (h, w, 3), RGB.
        on_batch: Called with the number of pictures done and the total.

    Raises:
        CalibrationError: A tensor is not finite.
    """
    model = with_split_groups(model)
    graph = points(model)
    watched = watcher(model, tuple(graph))

    @tf.function(reduce_retracing=True)
    def reduce(batch):
        tensors = watched(unit_tensor(batch), training=False)
        axes = [tuple(range(1, len(t.shape))) for t in tensors]
        return (
            tf.stack([tf.reduce_min(t, axis=a) for t, a in zip(tensors, axes)], axis=1),
            tf.stack([tf.reduce_max(t, axis=a) for t, a in zip(tensors, axes)], axis=1),
        )

    minimum, maximum = run_in_batches(
        reduce, pictures, pixels=pixels_at_once(model, most=BATCH_PIXELS), on_batch=on_batch
    )
    finite = np.isfinite(minimum).all(axis=0) & np.isfinite(maximum).all(axis=0)
    if not finite.all():
        name = list(graph)[int(np.argmin(finite))]
        raise CalibrationError(
            f"expected finite values everywhere, found NaN or infinity in tensor {name}; "
            "check the network's weights"
        )
    return LayerProbe(tuple(graph), minimum, maximum)


def stacked(pictures: Sequence[np.ndarray], model) -> Iterator[np.ndarray]:
    """Pictures of one size, uint8 (h, w, C), in their order as batches of (n, h, w, C).

    Args:
        pictures: Any number.
        model: The network that they are for, by which memory has room for so many at once.
    """
    return _stacked(pictures, pixels=pixels_at_once(model, most=BATCH_PIXELS))


def _stacked(pictures: Sequence[np.ndarray], *, pixels: int) -> Iterator[np.ndarray]:
    step = max(1, pixels // (pictures[0].shape[0] * pictures[0].shape[1]))
    for first in range(0, len(pictures), step):
        yield np.stack(pictures[first : first + step])


def run_in_batches(
    reduce: Callable,
    pictures: Sequence[np.ndarray],
    *,
    pixels: int = BATCH_PIXELS,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> list[np.ndarray]:
    """Apply `reduce` to stacks of equally sized pictures.

    Args:
        reduce: uint8 (n, h, w, 3) -> a tuple of tensors of n rows each.
        pictures: uint8 (h, w, 3), RGB.
        pixels: How many may run together, see `sr_models.networks.memory.pixels_at_once`.
        on_batch: Called with the number of pictures done and the total.

    Returns:
        For each tensor of the tuple its rows for all pictures, in the pictures' order.
    """
    by_size: dict[tuple, list[int]] = {}
    for index, picture in enumerate(pictures):
        by_size.setdefault(picture.shape, []).append(index)
    order: list[int] = []
    results = []
    for members in by_size.values():
        done = len(order)
        order += members
        for batch in _stacked([pictures[i] for i in members], pixels=pixels):
            results.append(reduce(tf.constant(batch)))
            done += len(batch)
            on_batch(done, len(pictures))
    back = np.argsort(order)
    return [np.concatenate([np.asarray(rows) for rows in column])[back] for column in zip(*results)]


def fitting_side(model, side: int, *, on_stage: Callable[[str], None]) -> int:
    """The side of tiles that memory has room for with a network: `side`, or a smaller one.

    A multiple of what the network reduces pictures by, which may be a little more.

    Args:
        model: Functional Keras network.
        side: Height and width that are wished for, in pixels.
        on_stage: Told of others.
    """
    multiple = size_multiple(model)
    fitting = side + -side % multiple
    found = side_in_budget(model, side=fitting, least=MIN_SIDE)
    found = max(multiple, found - found % multiple)
    if found < side:
        on_stage(
            f"tiles of {found}x{found} and not {side}x{side}, which the memory budget has no room "
            "for (--memory-budget)"
        )
    elif found > side:
        on_stage(
            f"tiles of {found}x{found} and not {side}x{side}, for strides of {multiple} in all"
        )
    return found
