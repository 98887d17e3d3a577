"""Output tails: what stands between the last convolution of a network and its picture.

| tail | after the trunk | meaning |
|---|---|---|
| `relu` | ReLU, depth-to-space | the clip-free default: a fused ReLU bounds below, int8 above |
| `none` | depth-to-space | nothing but the convolution's output |
| `clip` | depth-to-space, `clip_by_value` | what people ship: two passes over the large picture |
| `conv_clip` | two 1x1 convolutions with ReLU, depth-to-space | the exact clip `M - relu(M - y)` |

The convolution form of the clip is the one of github:ECNUSR/ETDS (converter_abpn_et.py). A tail
holds no trained value: it is attached to trained weights and never needs retraining.
"""

from __future__ import annotations

import numpy as np
import tf_keras

from sr_models.ground.arguments import a_keras_model, a_text, takes, whole_number
from sr_models.networks.layers import ClipByValue, DepthToSpace, SpaceToDepth
from sr_models.networks.tail_names import require_tail

_MOVES = (DepthToSpace, tf_keras.layers.Cropping2D)


def _complemented(y, *, channels: int, name: str):
    """`relu(1 - y)` as a 1x1 convolution with fixed weights."""
    layer = tf_keras.layers.Conv2D(channels, 1, activation="relu", trainable=False, name=name)
    complement = layer(y)
    # Set here and not by an initializer: a saved network could not name that one.
    layer.set_weights([-np.eye(channels, dtype=np.float32)[None, None], np.ones(channels)])
    return complement


def _last_convolution(y):
    """The linear convolution that makes the tensor `y`, or `None`."""
    layer = y.node.layer
    # Subclasses (transposed, depthwise) hold other weights than those rewritten here.
    if type(layer) is tf_keras.layers.Conv2D and layer.activation.__name__ == "linear":
        return layer
    return None


def _complemented_convolution(last):
    """`relu(1 - y)` for the output y of a convolution: negated, with one added to its bias."""
    config = {**last.get_config(), "activation": "relu", "name": f"{last.name}_complement"}
    negated = tf_keras.layers.Conv2D.from_config(config)
    output = negated(last.input)
    kernel, bias = last.get_weights()
    negated.set_weights([-kernel, 1.0 - bias])
    return output


@takes(trunk=a_keras_model, tail=a_text, scale=whole_number(1))
def attach_tail(trunk, tail: str, *, scale: int):
    """The whole network: trunk, output tail, depth-to-space.

    Args:
        trunk: Keras model (N, H, W, 3) -> (N, H, W, 3 s^2) with its weights loaded.
        tail: One of `TAILS`.
        scale: Scale factor s.

    Returns:
        Keras model (N, H, W, 3) in 0..1 -> (N, H s, W s, 3), sharing the trunk's layers.
    """
    require_tail(tail)
    y = trunk.output
    # Such a trunk makes the large picture itself; there and back again is nothing.
    is_large = isinstance(y.node.layer, SpaceToDepth) and y.node.layer.block_size == scale
    if is_large:
        y = y.node.layer.input
    is_large = is_large or scale == 1
    moves = []
    while is_large and tail != "clip" and isinstance(y.node.layer, _MOVES):
        # Bounded before it is rearranged, a convolution can do it.
        moves.append(y.node.layer)
        y = y.node.layer.input
    last = _last_convolution(y)
    if tail == "relu":
        y = tf_keras.layers.ReLU(name="tail_relu")(y) if last is None else _fused_relu(last)
    elif tail == "conv_clip":
        channels = y.shape[-1]
        if last is not None:
            y = _complemented_convolution(last)
        else:
            y = _complemented(y, channels=channels, name="tail_complement_low")
        y = _complemented(y, channels=channels, name="tail_complement")
    for move in reversed(moves):
        y = move(y)
    if not is_large:
        y = DepthToSpace(scale, name="depth_to_space")(y)
    if tail == "clip":
        y = ClipByValue(name="tail_clip")(y)
    return tf_keras.Model(trunk.input, y, name=f"{trunk.name}_{tail}")


def _fused_relu(last):
    """The last convolution again, with the ReLU inside of it as one operator."""
    config = {**last.get_config(), "activation": "relu", "name": f"{last.name}_relu"}
    fused = tf_keras.layers.Conv2D.from_config(config)
    output = fused(last.input)
    fused.set_weights(last.get_weights())
    return output
