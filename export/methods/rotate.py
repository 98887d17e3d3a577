"""A residual stream in another basis: every channel carries a share of what matters most.

Where nothing but sums and convolutions reads and makes a tensor, its channels are coordinates that
anybody may choose: with an invertible matrix A, kernels that make x make A x instead, and those
that read it undo A. Rotations of this kind take outliers out of language models (QuaRot, Ashkboos
et al., arXiv 2404.00456, section 4; learned in SpinQuant, Liu et al., arXiv 2405.16406). A network
for super-resolution has another need: a few channels of its long skip carry the picture, and their
rounding is nearly all of the loss, while dozens of others carry little and are stored just as
finely. In a basis that spreads the picture over all channels, its rounding errors average out.

A need not be orthogonal. It is the one for which rounding costs the output least, as `equalize` has
it: over all tensors t of the stream, the sum of s_t^2 / 12 tr(A^-T S_t A^-1), where S_t are the
joint sensitivities of the channels and the step s_t follows from the extremes of A x over the
pictures. It is found by gradient descent, with a smooth norm in place of the extremes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras

from export.methods.equalize import PICTURES, PROBES, with_room
from export.quantizing.channels import channel_values, find_channels, joint_sensitivities
from export.quantizing.quantized_network import Evidence, QuantizedNetwork, clone
from export.quantizing.registry import register_method
from sr_models.networks.graph import points, quantized_points, require_own_layers

ROWS = 1000
"""Pixels of each tensor that are looked at, and every channel's extremes of each batch besides."""
STEPS = 200
LEARNING_RATE = 0.02
DOUBLINGS = 4
"""The smooth maximum is the norm of order 2 ** DOUBLINGS."""
LEAST_GAIN = 1.1
"""A basis is changed where that lowers the cost at least by this factor."""


@dataclass(frozen=True)
class Stream:
    """Tensors that are tied to each other by sums, and whose basis is free.

    Attributes:
        tensors: Names of their points.
        producers: Convolutions that make one of them.
        readers: Convolutions that read one of them.
        width: Channels of each.
    """

    tensors: tuple[str, ...]
    producers: tuple[str, ...]
    readers: tuple[str, ...]
    width: int


def find_streams(model) -> list[Stream]:
    """The streams of a network, in the order of computation."""
    graph = points(model)
    together: dict[tuple[str, ...], list] = {}
    for channel in find_channels(model):
        names = tuple(name for name in graph if name in {n for n, _ in channel.tensors})
        together.setdefault(names, []).append(channel)

    def is_linear(name: str) -> bool:
        layer = graph[name].layer
        if isinstance(layer, tf_keras.layers.Add):
            return True
        activation = getattr(layer, "activation", None)
        return type(layer) is tf_keras.layers.Conv2D and activation.__name__ == "linear"

    found = []
    for names, channels in together.items():
        width = len(channels)
        layers = [
            sorted({name for channel in channels for name, _ in getattr(channel, part)})
            for part in ("producers", "readers")
        ]
        if (
            width > 1
            and all(is_linear(name) and graph[name].tensor.shape[-1] == width for name in names)
            and all(len({c for _, c in channel.tensors}) == 1 for channel in channels)
            and all(model.get_layer(name).groups == 1 for part in layers for name in part)
        ):
            found.append(Stream(names, tuple(layers[0]), tuple(layers[1]), width))
    return found


def basis_cost(
    basis: np.ndarray, values: list[np.ndarray], sensitivities: list[np.ndarray]
) -> float:
    """Squared error of the output by rounding the stream's tensors, but for a factor.

    Args:
        basis: float64 (C, C), invertible.
        values: Of each tensor, float (N, C).
        sensitivities: Of each tensor, float64 (C, C).
    """
    inverse = np.linalg.inv(basis)
    cost = 0.0
    for rows, joint in zip(values, sensitivities):
        changed = rows @ basis.T
        span = max(changed.max(), 0.0) - min(changed.min(), 0.0)
        cost += span**2 * float(np.trace(inverse.T @ joint @ inverse))
    return cost


def find_basis(
    values: list[np.ndarray], sensitivities: list[np.ndarray], *, steps: int = STEPS
) -> np.ndarray:
    """A basis of low `basis_cost`: float64 (C, C), in which tensors are as wide as before.

    Args:
        values: Of each tensor, float (N, C), its extreme rows among them.
        sensitivities: Of each tensor, float64 (C, C).
        steps: Steps of gradient descent.
    """
    width = values[0].shape[1]
    reach = np.max([np.abs(rows).max(axis=0) for rows in values], axis=0)
    start = np.diag(1.0 / np.where(reach > 0.0, reach, 1.0))
    change = tf.Variable(np.eye(width), dtype=tf.float32)
    rows = [tf.constant(v @ start.T, tf.float32) for v in values]
    undo = np.linalg.inv(start)
    scaled = [undo.T @ joint @ undo for joint in sensitivities]
    level = sum(float(np.trace(joint)) for joint in scaled) or 1.0
    joints = [tf.constant(joint / level, tf.float32) for joint in scaled]
    optimizer = tf_keras.optimizers.Adam(LEARNING_RATE)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            inverse = tf.linalg.inv(change)
            cost = 0.0
            for row, joint in zip(rows, joints):
                stored = tf.matmul(row, change, transpose_b=True)
                span = _smooth_maximum(stored) + _smooth_maximum(-stored)
                cost += span**2 * tf.reduce_sum(inverse * tf.matmul(joint, inverse))
            loss = tf.math.log(cost)
        optimizer.apply_gradients([(tape.gradient(loss, change), change)])

    best, least = np.eye(width), basis_cost(start, values, sensitivities)
    for done in range(steps):
        optimizer.learning_rate.assign(LEARNING_RATE * (1.0 - done / steps))
        step()
        if done % 20 == 19 or done == steps - 1:
            tried = change.numpy().astype(np.float64)
            if np.isfinite(tried).all() and np.linalg.cond(tried) < 1e6:
                cost = basis_cost(tried @ start, values, sensitivities)
                if cost < least:
                    best, least = tried, cost
    basis = best @ start
    return basis * sum(map(_span, values)) / sum(_span(rows @ basis.T) for rows in values)


def _span(rows: np.ndarray) -> float:
    return max(float(rows.max()), 0.0) - min(float(rows.min()), 0.0)


def _smooth_maximum(tensor):
    """A norm of high order of the positive part; 0 where nothing is positive."""
    positive = tf.nn.relu(tensor)
    highest = tf.stop_gradient(tf.reduce_max(positive)) + 1e-12
    powers = positive / highest
    for _ in range(DOUBLINGS):
        powers = tf.square(powers)
    return highest * (tf.reduce_sum(powers) + 1e-12) ** (0.5**DOUBLINGS)


def _observed(model, names: list[str], pictures: np.ndarray, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng([seed, 8])
    found: dict[str, list] = {name: [] for name in names}
    for tensors in channel_values(model, names, pictures):
        for name, tensor in tensors.items():
            rows = tensor.reshape(-1, tensor.shape[-1]).astype(np.float64)
            count = min(len(rows), max(1, ROWS * len(tensor) // len(pictures)))
            chosen = rng.choice(len(rows), count, replace=False)
            extreme = np.concatenate([rows.argmin(axis=0), rows.argmax(axis=0)])
            found[name].append(rows[np.unique(np.concatenate([chosen, extreme]))])
    return [np.concatenate(found[name]) for name in names]


def _change_basis(model, stream: Stream, basis: np.ndarray) -> None:
    for name in stream.producers:
        layer = model.get_layer(name)
        kernel, *bias = layer.get_weights()
        layer.set_weights([kernel @ basis.T, *(b @ basis.T for b in bias)])
    undo = np.linalg.inv(basis)
    for name in stream.readers:
        layer = model.get_layer(name)
        kernel, *bias = layer.get_weights()
        layer.set_weights([np.einsum("yxio,ip->yxpo", kernel, undo), *bias])


def rotate(model, pictures: np.ndarray, *, seed: int = 0, steps: int = STEPS):
    """A copy of the network that computes the same with its residual streams in other bases.

    Args:
        model: Float functional Keras model in its deployed form.
        pictures: float32 (N, h, w, 3) in 0..1, on which tensors are observed.
        seed: Seed of the random directions of derivatives, and of the pixels looked at.
        steps: Steps of gradient descent for each stream.

    Returns:
        The copy; the network itself where no stream gains by it.

    Raises:
        NetworkError: A layer with weights is called more than once.
    """
    require_own_layers(model)
    copy, stored, changed = clone(model), set(quantized_points(model)), False
    for stream in find_streams(copy):
        names = [name for name in stream.tensors if name in stored]
        if not names:
            continue
        values = _observed(copy, names, pictures, seed)
        joints = joint_sensitivities(copy, names, pictures[:PROBES], seed=seed)
        sensitivities = [joints[name] for name in names]
        basis = find_basis(values, sensitivities, steps=steps)
        before = basis_cost(np.eye(stream.width), values, sensitivities)
        if basis_cost(basis, values, sensitivities) * LEAST_GAIN < before:
            _change_basis(copy, stream, basis)
            changed = True
    return copy if changed else model


@register_method(
    "rotate",
    stage="network",
    source="after Ashkboos et al. 2024, arXiv 2404.00456, and Liu et al. 2024, arXiv 2405.16406",
)
def rotated(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Residual streams in the basis in which their rounding hurts least."""
    model = rotate(network.model, evidence.stack(PICTURES), seed=evidence.seed)
    if model is network.model:
        return network
    return QuantizedNetwork(model, lambda: with_room(model, evidence))
