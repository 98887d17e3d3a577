"""Tensors of a float network on pictures: by LiteRT with XNNPACK, or by TensorFlow.

LiteRT takes half of TensorFlow's time for large networks and a quarter for small ones, and has the
tensors of one picture in memory for each core. It stands here, and not with the interpreters of
exported files, since pictures are shaped by what the network answers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.ground.native_output import caught_native_output
from sr_models.networks.graph import INPUT, points, watcher, with_split_groups
from sr_models.networks.keras_windows import size_multiple
from sr_models.networks.layers import convolve
from sr_models.networks.memory import pictures_at_once
from sr_models.observing.float_file import write_float_file
from sr_models.observing.float_tables import Unwritable

_MOST_AT_ONCE = 8
_LEAST_SIDE = 16
_TOLERANCE = 1e-4
"""How far the two may be apart, relative to the largest value of a tensor: float rounding in long
sums, and no more."""


class TensorReader:
    """What some tensors of a float network hold for a picture.

    Weights are read when a size is first met: whoever changes them makes another reader.

    Attributes:
        names: Points, the input among them or not.
        products: Convolutions that are read before bias and activation too, behind the points.
    """

    def __init__(self, model, names: Sequence[str], *, products: Sequence[str] = ()):
        """Nothing is written or computed yet.

        Args:
            model: Functional Keras network, (N, H, W, C); whatever else is callable is only asked
                for its output, by any name.
            names: Points to be read.
            products: Convolutions.
        """
        self.model, self.names, self.products = model, tuple(names), tuple(products)
        self._runners: dict[tuple[int, int], list[Callable[..., list]]] = {}

    def each(
        self, batch: np.ndarray, form: Callable[[np.ndarray], Any] | Sequence[Callable] = np.copy
    ) -> Iterator[list]:
        """The tensors of one picture after another: a list for each.

        Args:
            batch: float32 (N, h, w, C), 0..1.
            form: What is kept of a tensor, float32 (1, H, W, C), whose memory is used again; the
                whole of it by default. Or one function for each tensor.
        """
        forms = [form] * (len(self.names) + len(self.products)) if callable(form) else form
        pictures = np.split(np.ascontiguousarray(batch, np.float32), len(batch))
        runners = self._runners_of(*batch.shape[1:3])
        if not runners:
            for picture in pictures:
                yield [f(tensor) for f, tensor in zip(forms, self._by_tensorflow(picture))]
            return
        # A picture on each core: kernels that share one wait for each other at every operator.
        with ThreadPoolExecutor(len(runners)) as pool:
            for first in range(0, len(pictures), len(runners)):
                part = pictures[first : first + len(runners)]
                yield from pool.map(lambda run, picture: run(picture, forms), runners, part)

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        """The tensors of a batch: float32 (N, H, W, C) each."""
        return [np.concatenate(tensors) for tensors in zip(*self.each(batch))]

    def _runners_of(self, height: int, width: int) -> list[Callable[..., list]]:
        """As many interpreters as there are cores, and memory; none where TensorFlow runs all."""
        if self._is_written and (height, width) not in self._runners:
            cores = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
            most = min(_MOST_AT_ONCE, len(cores))
            count = pictures_at_once(self.model, height=height, width=width, most=most)
            try:
                content = self._file(height, width)
                # One size at a time: their memory is that of all tensors.
                self._runners = {(height, width): [self._open(content) for _ in range(count)]}
            except Unwritable:
                self._is_written = False
        return self._runners[height, width] if self._is_written else []

    @cached_property
    def _is_written(self) -> bool:
        """Whether LiteRT computes what TensorFlow does, seen on a small picture."""
        if not isinstance(self.model, tf_keras.Model):
            return False
        *_, height, width, channels = self.model.input.shape
        least = size_multiple(self.model) * -(-_LEAST_SIDE // size_multiple(self.model))
        shape = (1, height or least, width or least, channels)
        picture = np.random.default_rng(0).random(shape, np.float32)
        try:
            copies = [np.copy] * (len(self.names) + len(self.products))
            found = self._open(self._file(*shape[1:3]))(picture, copies)
        except (Unwritable, ImportError, RuntimeError, ValueError):
            return False
        # To take groups apart would take longer than a small picture through them.
        expected = self._by_tensorflow(picture, watched=self._watched(self.model))
        return all(map(_agree, found, expected))

    def _file(self, height: int, width: int) -> bytes:
        wanted = [name for name in self.names if name != INPUT]
        return write_float_file(
            self.model, wanted, height=height, width=width, products=self.products
        )

    def _open(self, content: bytes) -> Callable[..., list]:
        from ai_edge_litert.interpreter import Interpreter

        with caught_native_output():
            interpreter = Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
        source = interpreter.get_input_details()[0]["index"]
        targets = [details["index"] for details in interpreter.get_output_details()]

        def run(picture: np.ndarray, forms: Sequence[Callable]) -> list:
            interpreter.set_tensor(source, picture)
            interpreter.invoke()
            left, form = iter(targets), iter(forms)
            # Of a view of the interpreter's memory nothing may be left when it runs again.
            made = [
                next(form)(picture if name == INPUT else interpreter.tensor(next(left))())
                for name in self.names
            ]
            return made + [next(form)(interpreter.tensor(target)()) for target in left]

        return run

    def _by_tensorflow(self, picture: np.ndarray, *, watched: Any = None) -> list[np.ndarray]:
        if not isinstance(self.model, tf_keras.Model):
            return [np.asarray(self.model(picture, training=False))]
        found = tf.nest.flatten((watched or self._fast)(tf.constant(picture), training=False))
        made = [np.asarray(tensor) for tensor in found[: len(self.names)]]
        for name, tensor in zip(self.products, found[len(self.names) :]):
            layer = self.model.get_layer(name)
            made.append(convolve(layer, tensor, layer.kernel).numpy())
        return made

    @cached_property
    def _fast(self) -> Any:
        return self._watched(with_split_groups(self.model))

    def _watched(self, model) -> Any:
        graph = points(model)
        return watcher(model, [*self.names, *(graph[name].inputs[0] for name in self.products)])


def _agree(found: np.ndarray, expected: np.ndarray) -> bool:
    if found.shape != expected.shape:
        return False
    largest = float(np.abs(expected).max(initial=1e-6))
    # Said this way round, what is no number never agrees.
    return bool(np.abs(found - expected).max(initial=0.0) <= _TOLERANCE * largest)


def ends_of(tensor: np.ndarray) -> np.ndarray:
    """Least and greatest value of each channel: (1, H, W, C) -> (2, C)."""
    _, height, width, channels = tensor.shape
    # Rows first: numpy is slow along an axis of three channels.
    rows = tensor.reshape(height, width * channels)
    least = rows.min(axis=0).reshape(width, channels).min(axis=0)
    return np.stack([least, rows.max(axis=0).reshape(width, channels).max(axis=0)])
