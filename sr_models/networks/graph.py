"""A functional Keras network as a graph of named tensors, and the same network rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.ground.arguments import a_keras_model, optional, takes, whole_number
from sr_models.ground.errors import NetworkError
from sr_models.ground.sizes import MAX_SIDE
from sr_models.networks.layers import (
    ChannelSlice,
    DepthToSpace,
    EdgePadding,
    MirrorPadding,
    NeighboursToChannels,
    RepeatChannels,
    SpaceToDepth,
    convolve,
)
from sr_models.networks.quick_layers import ShapedLayer
from sr_models.networks.value_layers import KnownRange, ResizeToPicture

INPUT = "input"

_PASS_THROUGH = (
    DepthToSpace,
    SpaceToDepth,
    RepeatChannels,
    EdgePadding,
    NeighboursToChannels,
    KnownRange,
    tf_keras.layers.Reshape,
    tf_keras.layers.Flatten,
    tf_keras.layers.Permute,
    tf_keras.layers.Dropout,
)
_SHARES_GRID = (
    RepeatChannels,
    ChannelSlice,
    MirrorPadding,
    ResizeToPicture,
    tf_keras.layers.ZeroPadding2D,
    tf_keras.layers.Cropping2D,
    tf_keras.layers.MaxPooling2D,
    tf_keras.layers.AveragePooling2D,
)
_FUSED_ACTIVATIONS = (tf_keras.layers.ReLU,)
_PRODUCERS = (
    tf_keras.layers.Conv2D,
    tf_keras.layers.DepthwiseConv2D,
    tf_keras.layers.Add,
)


@dataclass
class Point:
    """One tensor of a network: the input, or what one call of a layer returns.

    Attributes:
        name: `"input"` or the layer's name (with `:k` for its k-th further call).
        tensor: The Keras tensor, of shape (N, H, W, C).
        layer: The layer that makes it; `None` for the input.
        inputs: Names of the points that the layer reads.
        consumers: Names of the points made from this one.
    """

    name: str
    tensor: Any
    layer: Any
    inputs: list[str] = field(default_factory=list)
    consumers: list[str] = field(default_factory=list)

    @property
    def passes_through(self) -> bool:
        """Whether the values are the input's own, only moved."""
        return isinstance(self.layer, _PASS_THROUGH)

    @property
    def repeats(self) -> bool:
        """Whether the values lie on the input's grid, and no range of their own is asked for.

        Some of its channels, or all several times over; pooled or resized pixels; and zeros,
        mirrored or fewer pixels at the border.
        """
        return isinstance(self.layer, _SHARES_GRID)

    @property
    def shares_grid(self) -> bool:
        """Whether it does either: the range of the input is its own."""
        return self.passes_through or self.repeats

    @property
    def has_fixed_grid(self) -> bool:
        """Whether TFLite itself fixes the int8 grid: steps of 1/128 for tanh, 1/256 for sigmoid."""
        activation = getattr(self.layer, "activation", None)
        return isinstance(self.layer, tf_keras.layers.Activation) and activation in (
            tf_keras.activations.tanh,
            tf_keras.activations.sigmoid,
        )

    @property
    def knows_range(self) -> bool:
        """Whether this says the range of what it reads, and changes nothing."""
        return isinstance(self.layer, KnownRange)

    @property
    def concatenates(self) -> bool:
        """Whether several tensors are joined here, which in int8 must share one range."""
        return isinstance(self.layer, tf_keras.layers.Concatenate)


def nodes(model):
    """The calls of layers of a functional model, in the order they are computed."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not isinstance(node.layer, tf_keras.layers.InputLayer):
                yield node


def points(model) -> dict[str, Point]:
    """The tensors of a functional model with one input, in the order they are computed."""
    found = {INPUT: Point(INPUT, model.input, None)}
    names = {id(model.input): INPUT}
    for node in nodes(model):
        name, again = node.layer.name, 1
        while name in found:
            name, again = f"{node.layer.name}:{again}", again + 1
        inputs = [names[id(t)] for t in tf.nest.flatten(node.input_tensors)]
        found[name] = Point(name, node.outputs, node.layer, inputs)
        names[id(node.outputs)] = name
        for source in inputs:
            found[source].consumers.append(name)
    return found


def output_name(model) -> str:
    """The name of the point that is the network's output."""
    return next(p.name for p in points(model).values() if p.tensor is model.output)


def require_own_layers(model) -> None:
    """Raise `NetworkError` where a layer with weights is called more than once.

    What is changed for one call of such a layer would change the others too.
    """
    layers = [point.layer for point in points(model).values() if point.layer is not None]
    for layer in layers:
        calls = sum(other is layer for other in layers)
        if layer.weights and calls > 1:
            raise NetworkError(
                f"expected each layer with weights to be called once, found {layer.name} called "
                f"{calls} times; give each call a layer of its own with the same weights"
            )


def quantized_points(model) -> list[str]:
    """Names of the tensors that an int8 file stores, each of which needs a range of its own.

    Left out are tensors that a fused ReLU swallows, inputs of a concatenation, which take over its
    range, repeated and cut-out channels and pooled or padded pixels, which keep the range of where
    they come from, outputs of an activation whose grid TFLite fixes, and tensors of a range that is
    known, which the point of that range stands for.
    """
    graph = points(model)

    def is_stored(point: Point) -> bool:
        consumers = [graph[name] for name in point.consumers]
        if point.repeats or point.has_fixed_grid:
            return False
        if not consumers:
            return True
        if any(consumer.concatenates for consumer in consumers):
            return False
        if all(consumer.knows_range for consumer in consumers):
            return False
        return not (
            isinstance(point.layer, _PRODUCERS)
            and all(isinstance(c.layer, _FUSED_ACTIVATIONS) for c in consumers)
        )

    return [name for name, point in graph.items() if is_stored(point)]


def rebuild(
    model,
    transform: Callable[[str, Any], Any],
    *,
    batch_shape=None,
    replace_layer: Callable[[Any], Any] = lambda layer: layer,
    read: Callable[[str, str, Any], Any] = lambda consumer, source, tensor: tensor,
):
    """The same network with `transform(name, tensor)` applied to every point.

    Layers are shared with the original, so weights are too.

    Args:
        model: Functional Keras model with one input and one output.
        transform: Returns the tensor that consumers shall read instead.
        batch_shape: Shape (N, H, W, C) of the new input; the original's by default.
        replace_layer: Returns the layer to call in a layer's place.
        read: Called as `read(consumer, source, tensor)` with the names of two points; returns what
            that consumer alone shall read in place of the source.
    """
    shape = tuple(batch_shape or model.input.shape)
    picture = tf_keras.Input(batch_shape=shape, name=model.input.name)
    replaced = {id(model.input): transform(INPUT, picture)}
    names = {id(point.tensor): name for name, point in points(model).items()}

    def what_reads(value, consumer: str):
        if id(value) not in replaced:
            return value
        return read(consumer, names[id(value)], replaced[id(value)])

    for node in nodes(model):
        name = names[id(node.outputs)]
        arguments, keywords = tf.nest.map_structure(
            partial(what_reads, consumer=name), (node.call_args, node.call_kwargs)
        )
        result = replace_layer(node.layer)(*arguments, **keywords)
        replaced[id(node.outputs)] = transform(name, result)
    return tf_keras.Model(picture, replaced[id(model.output)], name=model.name)


@takes(
    model=a_keras_model,
    height=optional(whole_number(1, MAX_SIDE)),
    width=optional(whole_number(1, MAX_SIDE)),
)
def at_size(model, *, height: int | None, width: int | None):
    """The same network for one picture of one size, as a phone's file has it.

    Args:
        model: Keras model, (N, H, W, C) in and out.
        height: Input height in pixels; `None` for any.
        width: Input width in pixels; `None` for any.
    """
    shape = (1, height, width, model.input.shape[-1])
    return rebuild(model, lambda _, tensor: tensor, batch_shape=shape)


class _SplitGroups(ShapedLayer):
    """A grouped convolution computed as one convolution for each group."""

    def __init__(self, convolution):
        super().__init__(name=convolution.name)
        self.convolution = convolution

    def compute_output_shape(self, input_shape):
        return self.convolution.compute_output_shape(input_shape)

    def call(self, inputs):
        layer = self.convolution
        y = convolve(layer, inputs, layer.kernel)
        return layer.activation(y + layer.bias if layer.use_bias else y)


def with_split_groups(model):
    """The same network, with the same names, computed faster by TensorFlow on a CPU.

    Its native grouped convolution takes there about twice as long as one convolution for each
    group. Weights are shared with the original.
    """
    grouped = {
        id(layer): _SplitGroups(layer)
        for layer in model.layers
        if type(layer) is tf_keras.layers.Conv2D and layer.groups > 1
    }
    if not grouped:
        return model
    return rebuild(
        model,
        lambda _, tensor: tensor,
        replace_layer=lambda layer: grouped.get(id(layer), layer),
    )


def watcher(model, names: Sequence[str]):
    """The same network, sharing its layers, that returns the tensors of the named points."""
    graph = points(model)
    return tf_keras.Model(model.input, [graph[name].tensor for name in names])


def tensors_of(
    model, names: Sequence[str], *, batches: Iterable[np.ndarray]
) -> Iterator[list[np.ndarray]]:
    """The tensors of the named points, for one batch after another.

    Args:
        model: Functional network.
        names: Names of points.
        batches: Each float32 (N, h, w, 3) in 0..1.

    Yields:
        float32 (N, H, W, C) for each name.
    """
    network = watcher(model, names)
    for batch in batches:
        found = network(np.asarray(batch, np.float32), training=False)
        # Keras returns a lone tensor as it is, and a list of several.
        tensors = found if isinstance(found, (list, tuple)) else [found]
        yield [np.asarray(tensor) for tensor in tensors]
