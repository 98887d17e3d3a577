"""What the channels of a float network hold, and how strongly the output depends on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.graph import points

BATCH = 8


def _watching(model, names: list[str]):
    graph = points(model)
    return tf_keras.Model(model.input, [*(graph[name].tensor for name in names), model.output])


def channel_values(model, names: list[str], pictures: np.ndarray) -> Iterator[dict]:
    """The tensors, a few pictures at a time: name -> float32 (n, h, w, C).

    Args:
        model: Float network.
        names: Names of points.
        pictures: float32 (N, h, w, 3) in 0..1.
    """
    watched = _watching(model, names)
    for first in range(0, len(pictures), BATCH):
        *tensors, _ = watched(pictures[first : first + BATCH], training=False)
        yield {name: np.asarray(tensor) for name, tensor in zip(names, tensors)}


def channel_ranges(model, names: list[str], pictures: np.ndarray) -> dict[str, tuple]:
    """Least and greatest value of each channel: name -> (float64 (C,), float64 (C,)).

    Args:
        model: Float network.
        names: Names of points.
        pictures: float32 (N, h, w, 3) in 0..1.
    """
    low = dict.fromkeys(names, np.inf)
    high = dict.fromkeys(names, -np.inf)
    for tensors in channel_values(model, names, pictures):
        for name, tensor in tensors.items():
            values = tensor.astype(np.float64)
            low[name] = np.minimum(low[name], values.min(axis=(0, 1, 2)))
            high[name] = np.maximum(high[name], values.max(axis=(0, 1, 2)))
    return {name: (low[name], high[name]) for name in names}


def _slopes(model, names: list[str], pictures: np.ndarray, seed: int) -> Iterator[dict]:
    """Derivatives of the output along random signs, a few pictures at a time."""
    watched = _watching(model, names)
    rng = np.random.default_rng([seed, 6])
    for first in range(0, len(pictures), BATCH):
        batch = tf.constant(pictures[first : first + BATCH])
        with tf.GradientTape() as tape:
            tape.watch(batch)
            *tensors, output = watched(batch, training=False)
            signs = rng.choice(np.float32([-1.0, 1.0]), output.shape)
            total = tf.reduce_sum(output * signs)
        found = tape.gradient(total, tensors)
        yield {name: slope.numpy().astype(np.float64) for name, slope in zip(names, found)}


def _mean_of_slopes(model, names: list[str], pictures: np.ndarray, seed: int, form: Callable):
    """`form` of each tensor's slopes, summed over pixels by itself, in the mean over pictures."""
    found = dict.fromkeys(names, 0.0)
    for slopes in _slopes(model, names, pictures, seed):
        for name, slope in slopes.items():
            found[name] = found[name] + form(slope) / len(pictures)
    return found


def _square_sums(slope: np.ndarray) -> np.ndarray:
    return np.square(slope).sum(axis=(0, 1, 2))


def _products(slope: np.ndarray) -> np.ndarray:
    flat = slope.reshape(-1, slope.shape[-1])
    return flat.T @ flat


def channel_sensitivities(
    model, names: list[str], pictures: np.ndarray, *, seed: int = 0
) -> dict[str, np.ndarray]:
    """What noise in each channel does to the output: name -> float64 (C,).

    The squared error of the whole output, to first order, where every value of the channel has an
    error of variance 1 of its own; the trace of a product of Jacobians, estimated along random
    signs (Hutchinson 1990).

    Args:
        model: Float network.
        names: Names of points.
        pictures: float32 (N, h, w, 3) in 0..1.
        seed: Seed of the signs.
    """
    return _mean_of_slopes(model, names, pictures, seed, _square_sums)


def joint_sensitivities(
    model, names: list[str], pictures: np.ndarray, *, seed: int = 0
) -> dict[str, np.ndarray]:
    """The same for errors that channels have in common: name -> float64 (C, C).

    With noise of the covariance V at every pixel, the squared error of the output is the trace of
    V times this matrix; its diagonal is `channel_sensitivities`.

    Args:
        model: Float network.
        names: Names of points.
        pictures: float32 (N, h, w, 3) in 0..1.
        seed: Seed of the signs.
    """
    return _mean_of_slopes(model, names, pictures, seed, _products)
