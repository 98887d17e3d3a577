"""Networks trained on pixels of 0..255: found by what they output, rewritten for 0..1.

Nothing is wrapped around such a network: kernels and biases are scaled, so that the same function
of 0..1 pixels comes out without a further operator, and an exported file has plain uint8 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import CalibrationError
from sr_models.ground.pictures import unit
from sr_models.ground.pixel_answers import PLAUSIBLE, Answer, distance, works_signed
from sr_models.ground.pixel_range import SIGNED, UNIT, PixelRange
from sr_models.networks.graph import INPUT, Point, output_name, points, rebuild
from sr_models.networks.layers import ChannelSlice, DepthToSpace, RepeatChannels, SpaceToDepth

MOST_PICTURES = 8
_BOUNDED = (tf_keras.activations.tanh, tf_keras.activations.sigmoid)
_HOMOGENEOUS = (
    DepthToSpace,
    SpaceToDepth,
    RepeatChannels,
    ChannelSlice,
    tf_keras.layers.Add,
    tf_keras.layers.Concatenate,
    tf_keras.layers.PReLU,
)


_OTHERS = (PixelRange(255.0, 255.0), PixelRange(1.0, 255.0), PixelRange(255.0, 1.0))
_NEARLY = 1.5
_ENDS = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))


def find_pixel_range(
    answer: Answer,
    pictures: Sequence[np.ndarray],
    *,
    signed: bool = False,
    output: tuple[float, float] | None = None,
) -> PixelRange:
    """What a network takes for black and white, by its outputs alone.

    A super-resolution network gives a picture back at its own brightness. Where that fails for
    0..1, and another range fits at least twice as well, the network was trained on that.

    Args:
        answer: The network, of which nothing but its outputs is used.
        pictures: uint8 (h, w, 3) natural pictures; the first of one size are looked at.
        signed: Whether -1..1 is looked for too. Since 0..1 is a part of -1..1, a network of -1..1
            works on both; it is told by working on negative values as well.
        output: What the network's bounds say that it returns for black and white, where it has any.

    Returns:
        0..1 (or the range of the outputs, where that is known) where no range fits: an untrained
        network's outputs say nothing.
    """
    alike = [p for p in pictures if p.shape == pictures[0].shape][:MOST_PICTURES]
    batch = unit(np.stack(alike))
    # Of dark or even pictures, a network that answers with black is not far away either.
    plausible = min(PLAUSIBLE, 0.25 * float(batch.std()))
    usual, candidates = UNIT, _OTHERS
    if output is not None:
        usual = PixelRange(output[1], output[1], output[0], output[0])
        every = [PixelRange(high, output[1], low, output[0]) for low, high in _ENDS]
        if output[0] <= 0.0 and output[1] >= 1.0:
            every.append(UNIT)  # A network of 0..1 may have wider bounds, as of a hard tanh.
        candidates = tuple(white for white in every if white != usual)
    own = distance(answer, batch, usual)
    may_be_signed = signed and output is None
    if may_be_signed:
        candidates = (
            *candidates,
            SIGNED,
            PixelRange(1.0, 1.0, -1.0),
            PixelRange(255.0, 1.0, 0.0, -1.0),
        )
    # A picture repeated beside the convolutions hides most of what biases for 0..255 do to it.
    if own > (plausible / 2 if output is None else plausible):
        others = {white: distance(answer, batch, white) for white in candidates}
        best = min(others, key=others.get)
        # Biases that shift -1..1 are small beside 0..255, which then does as well.
        if SIGNED in others and others[SIGNED] <= _NEARLY * others[best]:
            best = SIGNED
        clearly = 2.0 if own > plausible else 4.0
        if others[best] <= 2 * plausible and not others[best] > own / clearly:
            return best
    if own <= plausible and may_be_signed and works_signed(answer, batch):
        return SIGNED
    return usual


def require_unit_pixels(answer: Answer, pictures: Sequence[np.ndarray]) -> None:
    """Raise `CalibrationError` for a network that takes or returns 0..255."""
    found = find_pixel_range(answer, pictures)
    if not found.is_unit:
        raise CalibrationError(
            f"expected a network on pixels of 0..1, found {found} by what it outputs; say with "
            "--pixels what black and white of your own network are, or rewrite it with "
            "sr_models.networks.pixel_range.with_unit_pixels"
        )


def with_unit_pixels(model, white: PixelRange):
    """The same function of 0..1 pixels: every weight scaled, no operator added.

    Each tensor of the new network is the old one's divided by a factor: 255 at an input or an
    output of 0..255, 1 around tanh and sigmoid, which bound values, and anything in between, since
    a convolution can change the factor and all other layers keep it.

    Args:
        model: Functional Keras network, a trunk or with an output tail that bounds nothing.
        white: See `find_pixel_range`.

    Returns:
        A new network with the names of the old one; the old one's weights stay.

    Raises:
        CalibrationError: A layer whose answer to scaled values is unknown, or one that joins
            tensors of different ranges; or a black that is not 0, which scaling cannot fix.
    """
    if white.input_black or white.output_black:
        raise CalibrationError(
            f"expected a network that takes 0 for black, found {white}; give its file to sr-export"
        )
    graph = points(model)
    factors = _factors(graph, white, output=output_name(model))
    made: dict[int, object] = {}
    by_layer: dict[int, tuple[float, float]] = {}
    for point in graph.values():
        if point.layer is not None and point.layer.weights and _is_convolution(point.layer):
            pair = (factors[point.inputs[0]], factors[point.name])
            if by_layer.setdefault(id(point.layer), pair) != pair:
                raise CalibrationError(
                    f"expected one range of values for layer {point.layer.name}, found it used "
                    "with several; give a network on 0..1"
                )

    def rescaled(layer):
        if id(layer) not in by_layer:
            return layer
        if id(layer) not in made:
            before, after = by_layer[id(layer)]
            copy = type(layer).from_config(layer.get_config())
            with tf.name_scope(copy.name):  # as a call would, for variables are found by name
                copy.build(layer.input_shape)
            kernel, *bias = layer.get_weights()
            copy.set_weights([kernel * (before / after), *(values / after for values in bias)])
            made[id(layer)] = copy
        return made[id(layer)]

    return rebuild(model, lambda _, tensor: tensor, replace_layer=rescaled)


def _is_convolution(layer) -> bool:
    return type(layer) in (tf_keras.layers.Conv2D, tf_keras.layers.Conv2DTranspose)


def _bounds(layer) -> bool:
    return getattr(layer, "activation", None) in _BOUNDED


def _factors(graph: dict[str, Point], white: PixelRange, *, output: str) -> dict[str, float]:
    """Point name -> what its values are divided by."""
    group = {name: name for name in graph}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    pinned: list[tuple[str, float]] = [(INPUT, white.input), (output, white.output)]
    for point in graph.values():
        layer = point.layer
        if layer is None:
            continue
        if _bounds(layer):
            pinned.append((point.name, 1.0))
            if not _is_convolution(layer):
                pinned += [(name, 1.0) for name in point.inputs]
        if not (_bounds(layer) or isinstance(layer, _HOMOGENEOUS) or _is_rectifier(layer)):
            raise CalibrationError(
                f"expected layers that can be rescaled from 0..255 to 0..1, found "
                f"{type(layer).__name__} ({layer.name}); give a network on 0..1"
            )
        if not (_bounds(layer) or _is_convolution(layer)):
            for name in point.inputs:
                group[root(name)] = root(point.name)
    found: dict[str, float] = {}
    for name, factor in pinned:
        if found.setdefault(root(name), factor) != factor:
            raise CalibrationError(
                f"expected values of one range in a sum or a concatenation, found {name} joined "
                "with values of another range; give a network on 0..1"
            )
    return {name: found.get(root(name), white.input) for name in graph}


def _is_rectifier(layer) -> bool:
    """Whether the layer ends in a ReLU without an upper bound or a threshold, or in nothing."""
    if isinstance(layer, tf_keras.layers.ReLU):
        return layer.max_value is None and not layer.threshold
    if _is_convolution(layer) or isinstance(layer, tf_keras.layers.Activation):
        return layer.activation in (tf_keras.activations.relu, tf_keras.activations.linear)
    return isinstance(layer, tf_keras.layers.LeakyReLU)
