"""DFSQ-static: each channel's scale frozen and folded into the convolutions around it.

DFSQ divides each channel by its greatest magnitude in the picture at hand. Frozen at what a
calibration shows, that is a division in the convolution that makes the channel and a
multiplication in those that read it, exact in real numbers wherever only positively homogeneous
layers (ReLU and its leaky kin, addition) stand between: cross-layer equalization (Nagel et al.,
arXiv 1906.04721, section 4.1). What is left is a network whose tensors all span [-1, 1] in each
channel, for uniform int8 activations. That the scales are frozen, and that means are not subtracted
(folded into a bias they would be wrong at a zero-padded border), are deviations from DFSQ, hence
the name.

Tensors that are added share one vector of scales: a residual trunk has one from its first to its
last convolution. Channels that are joined, moved, or are pixels keep their scale; that joined ones
do is our limit, not one of the mathematics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tf_keras

from sr_models.ground.errors import CalibrationError
from sr_models.networks.graph import Point, output_name, points, quantized_points, tensors_of
from sr_models.networks.network import named_weights, set_named_weights
from sr_models.published.sites import is_convolution
from sr_models.published.student import student_of


@dataclass(frozen=True)
class ScaleGroup:
    """Tensors whose channels share one vector of scales, and who makes and reads them.

    Attributes:
        tensors: Names of the points, in the order they are computed.
        producers: The convolutions among them.
        readers: Convolutions that read one of them.
    """

    tensors: tuple[str, ...]
    producers: tuple[str, ...]
    readers: tuple[str, ...]


def _is_homogeneous(layer) -> bool:
    if isinstance(layer, tf_keras.layers.ReLU):
        return layer.max_value is None and not layer.threshold
    return isinstance(
        layer, (tf_keras.layers.Add, tf_keras.layers.PReLU, tf_keras.layers.LeakyReLU)
    )


def _makes_scalable(point: Point, calls: int) -> bool:
    if not is_convolution(point.layer) or calls != 1:
        return False
    return point.layer.activation in (tf_keras.activations.linear, tf_keras.activations.relu)


def scale_groups(model) -> list[ScaleGroup]:
    """Every group of tensors that channel scales can be folded around."""
    graph = points(model)
    calls: dict[int, int] = {}
    for point in graph.values():
        calls[id(point.layer)] = calls.get(id(point.layer), 0) + 1
    leader = {name: name for name in graph}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    fixed = {output_name(model)}
    for name, point in graph.items():
        if _is_homogeneous(point.layer):
            for source in point.inputs:
                leader[find(source)] = find(name)
        elif not _makes_scalable(point, calls[id(point.layer)]):
            # Whatever is not known keeps what it makes and what it reads.
            fixed |= {name, *point.inputs}
    held = {find(name) for name in fixed}
    found = []
    for head in dict.fromkeys(find(name) for name in graph):
        tensors = tuple(name for name in graph if find(name) == head)
        producers = tuple(n for n in tensors if is_convolution(graph[n].layer))
        readers = tuple(
            n for n, p in graph.items() if is_convolution(p.layer) and p.inputs[0] in tensors
        )
        if head not in held and producers and readers:
            found.append(ScaleGroup(tensors, producers, readers))
    return found


def channel_scales(
    model, groups: Sequence[ScaleGroup], *, batches: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """The greatest magnitude of each channel in those tensors of each group that are stored.

    A channel that is always 0 has scale 1.

    Args:
        model: Float network.
        groups: Of that network.
        batches: Each float32 (N, h, w, 3) in 0..1.

    Returns:
        float64 (C,) for each group.

    Raises:
        CalibrationError: There are no batches.
    """
    if not len(batches):
        raise CalibrationError("expected pictures to freeze scales on, found none; give some")
    stored = set(quantized_points(model))
    names = [name for group in groups for name in group.tensors if name in stored]
    largest: dict[str, np.ndarray] = {}
    for tensors in tensors_of(model, names, batches=batches) if names else ():
        for name, values in zip(names, tensors):
            seen = np.abs(values).max(axis=(0, 1, 2)).astype(np.float64)
            largest[name] = np.maximum(largest.get(name, 0.0), seen)
    scales = []
    for group in groups:
        channels = points(model)[group.tensors[0]].tensor.shape[-1]
        of_group = [largest[name] for name in group.tensors if name in largest]
        scale = np.max(of_group, axis=0) if of_group else np.ones(channels)
        scales.append(np.where(scale > 0.0, scale, 1.0))
    return scales


def fold_scales(
    weights: Mapping[str, np.ndarray],
    groups: Sequence[ScaleGroup],
    *,
    scales: Sequence[np.ndarray],
    convolution_groups: Mapping[str, int] | None = None,
) -> dict[str, np.ndarray]:
    """The weights with which each group's tensors are divided by its scales; the function stays.

    Args:
        weights: By `layer/variable` (`sr_models.networks.network.named_weights`).
        groups: Which tensors.
        scales: A vector greater than 0 for each group.
        convolution_groups: Number of groups of each grouped convolution; 1 by default.

    Returns:
        A new dictionary with new arrays in the places that change.
    """
    folded = dict(weights)
    for group, scale in zip(groups, scales):
        for name in group.producers:
            for variable in (f"{name}/kernel", f"{name}/bias"):
                if variable in folded:
                    folded[variable] = folded[variable] / scale
        for name in group.readers:
            kernel = folded[f"{name}/kernel"]
            count = (convolution_groups or {}).get(name, 1)
            factors = np.asarray(scale).reshape(count, kernel.shape[2]).T
            each = np.repeat(factors, kernel.shape[3] // count, axis=1)
            folded[f"{name}/kernel"] = kernel * each
    return {name: np.asarray(array, np.float32) for name, array in folded.items()}


def with_static_scales(model, *, batches: Sequence[np.ndarray]):
    """A copy of a float network whose inner tensors have channels of magnitude 1.

    Args:
        model: Float functional network, which stays as it is.
        batches: Calibration pictures, each batch float32 (N, h, w, 3) in 0..1.

    Returns:
        A network of the same layers and the same function.
    """
    groups = scale_groups(model)
    scales = channel_scales(model, groups, batches=batches)
    counts = {layer.name: layer.groups for layer in model.layers if is_convolution(layer)}
    folded = fold_scales(named_weights(model), groups, scales=scales, convolution_groups=counts)
    copy = student_of(model)
    set_named_weights(copy, folded)
    return copy
