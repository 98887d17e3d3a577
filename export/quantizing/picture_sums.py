"""Sums of a convolution of features and one of the picture, and what joins both kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tf_keras

from sr_models.networks.graph import INPUT, Point, points
from sr_models.networks.layers import DepthToSpace, NeighboursToChannels


@dataclass(frozen=True)
class PictureKernel:
    """A convolution as one of the picture and of ones inside of it.

    Attributes:
        picture: float64 (h, w, C, outputs).
        ones: float64 (h, w, outputs).
    """

    picture: np.ndarray
    ones: np.ndarray


@dataclass(frozen=True)
class Sum:
    """A sum that one convolution can compute.

    Attributes:
        name: The point of the sum.
        features: The convolution of features.
        picture: The convolution of the picture.
        source: The point that the former reads.
        kernel: The latter, as a convolution of the picture itself.
        block: Block size of the shuffle between convolutions and sum, or 1.
    """

    name: str
    features: str
    picture: str
    source: str
    kernel: PictureKernel
    block: int


def find_sums(model, *, kept: Sequence[str] = ()) -> Iterator[Sum]:
    """Sums of a convolution of features and one of the picture, in the order of computation.

    Args:
        model: Float functional network in its deployed form.
        kept: Names of layers that stay as they are.
    """
    graph = points(model)
    for name, point in graph.items():
        if type(point.layer) is not tf_keras.layers.Add or len(point.inputs) != 2:
            continue
        terms = [_convolution_behind(graph, term) for term in point.inputs]
        if None in terms or terms[0][1] != terms[1][1] or terms[0][0] == terms[1][0]:
            continue
        names, block = [term[0] for term in terms], terms[0][1]
        if any(term in kept for term in (*names, name)):
            continue
        kernels = [kernel_of_picture(graph, term) for term in names]
        for picture, features in ((0, 1), (1, 0)):
            if kernels[picture] is not None and kernels[features] is None:
                source = graph[names[features]].inputs[0]
                yield Sum(name, names[features], names[picture], source, kernels[picture], block)


def _convolution_behind(graph: dict[str, Point], name: str) -> tuple[str, int] | None:
    """The linear convolution that a term of a sum comes from, and the block of the shuffle."""
    block = 1
    if isinstance(graph[name].layer, DepthToSpace) and len(graph[name].consumers) == 1:
        block, name = graph[name].layer.block_size, graph[name].inputs[0]
    free = _is_linear(graph[name].layer) and graph[name].layer.trainable
    return (name, block) if free and len(graph[name].consumers) == 1 else None


def _is_linear(layer) -> bool:
    return (
        type(layer) is tf_keras.layers.Conv2D
        and layer.activation.__name__ == "linear"
        and layer.groups == 1
        and set(layer.strides) == set(layer.dilation_rate) == {1}
        and all(side % 2 == 1 for side in layer.kernel_size)
        and (layer.padding == "same" or set(layer.kernel_size) == {1})
    )


def kernel_of_picture(graph: dict[str, Point], name: str) -> PictureKernel | None:
    """A convolution as one of the picture itself; `None` where it reads anything else.

    Between the picture and it may stand 1x1 convolutions without activation, as they take a mean
    off or write ones beside the picture, and rows of neighbours as channels.
    """
    kernel = graph[name].layer.kernel.numpy().astype(np.float64)
    ones, source = np.zeros(np.delete(kernel.shape, 2)), graph[name].inputs[0]
    while source != INPUT:
        layer = graph[source].layer
        if type(layer) is NeighboursToChannels and kernel.shape[1] == 1 and not ones.any():
            kernel = kernel.reshape(len(kernel), layer.width, layer.channels, kernel.shape[3])
            ones = np.zeros(np.delete(kernel.shape, 2))
        elif _is_linear(layer) and set(layer.kernel_size) == {1}:
            inner, *bias = (w.astype(np.float64) for w in layer.get_weights())
            if bias:
                ones = ones + np.einsum("yxio,i->yxo", kernel, bias[0])
            kernel = np.einsum("yxio,pi->yxpo", kernel, inner[0, 0])
        else:
            return None
        (source,) = graph[source].inputs
    return PictureKernel(kernel, ones)


@dataclass(frozen=True)
class Reach:
    """Along one axis: which taps of the new kernel read which copy of the picture.

    Attributes:
        own: Taps of the new kernel on either side of the middle.
        moves: By how many pixels each copy is moved.
    """

    own: int
    moves: tuple[int, ...]

    @classmethod
    def of(cls, features: int, picture: int) -> Reach:
        """For kernels that reach so far on either side."""
        if picture <= features:
            return cls(features, (0,))
        copies = -(-(2 * picture + 1) // (2 * features + 1))
        far = picture - features
        return cls(features, tuple(int(m) for m in np.rint(np.linspace(-far, far, copies))))

    @property
    def far(self) -> int:
        """The longest move."""
        return max(self.moves)

    def taps(self, reach: int) -> dict[int, tuple[int, int]]:
        """Offset of the old kernel -> (copy, tap of the new one), for all within its reach."""
        found = {}
        for copy, move in enumerate(self.moves):
            for tap in range(-self.own, self.own + 1):
                if abs(move + tap) <= reach:
                    found.setdefault(move + tap, (copy, tap + self.own))
        return found
