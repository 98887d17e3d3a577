"""Layers of a file's configuration, made from a list of known ones: no class is looked up by name.

Of each layer only the arguments below are taken over; initializers, regularizers and constraints
matter to training alone, and are where else a configuration can name code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from sr_models.ground.errors import LayerError, NetworkError
from sr_models.importing.keras_geometry_layers import KERAS3_GEOMETRY, TF_GEOMETRY
from sr_models.importing.keras_value_layers import (
    KERAS3_VALUES,
    OUR_VALUE_LAYERS,
    TF_VALUES,
    VALUE_ACTIVATIONS,
    VALUE_LAYERS,
)
from sr_models.importing.lambdas import read_lambda
from sr_models.importing.operator_names import taken_instead
from sr_models.importing.provenance import is_of_keras, is_of_ours
from sr_models.networks.layers import (
    ChannelSlice,
    ClipByValue,
    DepthToSpace,
    EdgePadding,
    MirrorPadding,
    RepeatChannels,
    SpaceToDepth,
)

_L = tf_keras.layers
_COMMON = ("kernel_size", "strides", "padding", "dilation_rate", "use_bias", "data_format")
_SIZES = ("strides", "pool_size", "cropping", "rows", "columns")
_POOLED = ("pool_size", "strides", "padding", "data_format")
_LAYERS: dict[str, tuple[Callable, tuple[str, ...]]] = {
    "Conv2D": (_L.Conv2D, ("filters", "groups", *_COMMON)),
    "Convolution2D": (_L.Conv2D, ("filters", "groups", *_COMMON)),
    "Conv2DTranspose": (_L.Conv2DTranspose, ("filters", "output_padding", *_COMMON)),
    "DepthwiseConv2D": (_L.DepthwiseConv2D, ("depth_multiplier", *_COMMON)),
    "SeparableConv2D": (_L.SeparableConv2D, ("filters", "depth_multiplier", *_COMMON)),
    "BatchNormalization": (
        _L.BatchNormalization,
        ("axis", "momentum", "epsilon", "center", "scale"),
    ),
    "ReLU": (_L.ReLU, ("max_value", "negative_slope", "threshold")),
    "PReLU": (_L.PReLU, ("shared_axes",)),
    "Add": (_L.Add, ()),
    "Subtract": (_L.Subtract, ()),
    "Multiply": (_L.Multiply, ()),
    "Maximum": (_L.Maximum, ()),
    "Minimum": (_L.Minimum, ()),
    "Concatenate": (_L.Concatenate, ("axis",)),
    "UpSampling2D": (_L.UpSampling2D, ("size", "interpolation", "data_format")),
    "ZeroPadding2D": (_L.ZeroPadding2D, ("padding", "data_format")),
    "Normalization": (_L.Normalization, ("axis", "mean", "variance", "invert")),
    "Rescaling": (_L.Rescaling, ("scale", "offset")),
    "DepthToSpace": (DepthToSpace, ("block_size",)),
    "SpaceToDepth": (SpaceToDepth, ("block_size",)),
    "ClipByValue": (ClipByValue, ("minimum", "maximum")),
    "ChannelSlice": (ChannelSlice, ("start", "stop")),
    "RepeatChannels": (RepeatChannels, ("times",)),
    "Cropping2D": (_L.Cropping2D, ("cropping", "data_format")),
    "MaxPooling2D": (_L.MaxPooling2D, _POOLED),
    "MaxPool2D": (_L.MaxPooling2D, _POOLED),
    "AveragePooling2D": (_L.AveragePooling2D, _POOLED),
    "AvgPool2D": (_L.AveragePooling2D, _POOLED),
    "MirrorPadding": (MirrorPadding, ("rows", "columns", "mode")),
    "EdgePadding": (EdgePadding, ()),
    "GlobalAveragePooling2D": (_L.GlobalAveragePooling2D, ("keepdims",)),
    "Reshape": (_L.Reshape, ("target_shape",)),
    "Permute": (_L.Permute, ("dims",)),
    **VALUE_LAYERS,
}
_OURS = (
    "DepthToSpace",
    "SpaceToDepth",
    "ClipByValue",
    "ChannelSlice",
    "RepeatChannels",
    "MirrorPadding",
    "EdgePadding",
    *OUR_VALUE_LAYERS,
)
_ONLY_IN_TRAINING = (
    "Dropout",
    "SpatialDropout2D",
    "GaussianNoise",
    "GaussianDropout",
    "ActivityRegularization",
)
_ALIKE: dict[str, Callable] = {
    name: getattr(_L, name) for name in ("Average", "Activation", *_ONLY_IN_TRAINING)
}
"""Classes of Keras that have no row above and write the same in every version."""

_ACTIVATIONS: dict[str, Callable] = {
    "linear": tf_keras.activations.linear,
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "leaky_relu": tf.nn.leaky_relu,
    "gelu": tf.nn.gelu,
    "elu": tf.nn.elu,
    "selu": tf.nn.selu,
    "swish": tf.nn.silu,
    "silu": tf.nn.silu,
    "softplus": tf.nn.softplus,
    **VALUE_ACTIVATIONS,
}

Call = Callable[..., Any]
_LARGEST = 1 << 14


def make_layer(class_name: str, entry: dict[str, Any], *, version: int, trust: bool) -> Call:
    """The layer of one entry of a configuration, as something that can be called on tensors.

    Args:
        class_name: Its class in the file.
        entry: `class_name`, `config`, and `module` or `registered_name` where the file has them.
        version: Keras' main version: 2 or 3.
        trust: Whether a Lambda's own code may be run.

    Raises:
        NetworkError: A class of the user's own, or one without a place in an export.
    """
    config = entry.get("config") or {}
    name = config.get("name") or class_name.lower()
    ours = is_of_ours({"class_name": class_name, **entry})
    class_name = class_name.removeprefix("sr_models>")
    if ours != (class_name in _OURS) or not (
        ours or is_of_keras({**entry, "class_name": class_name}, known=_keras_class(class_name))
    ):
        raise _unknown(class_name, name)
    if class_name == "Lambda":
        function = read_lambda(config, trust=trust)
        return _L.Lambda(function, name=_safe(name))
    if class_name in _ONLY_IN_TRAINING:
        return _L.Activation("linear", name=_safe(name))
    if class_name == "LeakyReLU":
        slope = config.get("alpha", config.get("negative_slope", 0.3))
        return _L.LeakyReLU(float(slope), name=_safe(name))
    if class_name == "Activation":
        return _L.Activation(_activation(config, name, version), name=_safe(name))
    if class_name == "Average":
        return lambda x: tf.add_n(x) * (1.0 / len(x))
    if class_name not in _LAYERS:
        raise _unknown(class_name, name)
    kind, wanted = _LAYERS[class_name]
    arguments = {key: config[key] for key in wanted if config.get(key) is not None}
    for key in ("filters", "groups", "depth_multiplier", "kernel_size", "padding", "size", *_SIZES):
        if any(isinstance(n, int) and n > _LARGEST for n in tf.nest.flatten(arguments.get(key))):
            raise NetworkError(
                f"expected {key} of at most {_LARGEST}, found {arguments[key]} in layer {name}; "
                "the file is damaged"
            )
    if "activation" in config:
        arguments["activation"] = _activation(config, name, version)
    try:
        return kind(**arguments, name=_safe(name))
    except (TypeError, ValueError, AttributeError) as error:
        raise NetworkError(
            f"expected a usable configuration of layer {name}, found: "
            f"{(str(error).splitlines() or [''])[0][:120]}; save the network anew"
        ) from error


def _keras_class(class_name: str) -> Callable | None:
    return _LAYERS[class_name][0] if class_name in _LAYERS else _ALIKE.get(class_name)


def _unknown(class_name: str, name: str) -> NetworkError:
    if (instead := taken_instead(class_name)) is not None:
        return LayerError(
            f"expected layers that run in full integer, found {class_name} ({name}); take "
            f"{instead} in its place",
            [class_name],
        )
    return LayerError(
        f"expected layers of Keras that an integer file can hold, found {class_name} ({name}); use "
        "other layers, or give module:function where the class is your own",
        [class_name],
    )


def _safe(name: Any) -> str:
    return str(name).replace("/", "_")[:120]


def _activation(config: dict[str, Any], layer: str, version: int) -> Callable:
    found = config.get("activation")
    if isinstance(found, dict):
        inner = found.get("config")
        found = inner if isinstance(inner, str) else found.get("class_name", "").lower()
    found = "linear" if found is None else found
    if found == "hard_sigmoid":
        return _hard_sigmoid if version >= 3 else tf_keras.activations.hard_sigmoid
    if found == "hard_tanh" and version >= 3:
        return _hard_tanh
    if not isinstance(found, str) or found not in _ACTIVATIONS:
        raise NetworkError(
            f"expected an activation of Keras, found {str(found)[:60]} in {layer}; use ReLU, "
            "PReLU, tanh or sigmoid, or give module:function"
        )
    return _ACTIVATIONS[found]


def _hard_sigmoid(x):
    """As Keras 3 has it: relu6(x + 3) / 6."""
    return tf.nn.relu6(x + 3.0) / 6.0


def _hard_tanh(x):
    return tf.clip_by_value(x, -1.0, 1.0)


def _by_index(x, index):
    return x[index if isinstance(index, slice) else tuple(index)]


_OPERATIONS: dict[str, Callable] = {
    "add": tf.add,
    "subtract": tf.subtract,
    "multiply": tf.multiply,
    "truediv": tf.truediv,
    "divide": tf.divide,
    "true_divide": tf.truediv,
    "negative": tf.negative,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
    "clip_by_value": tf.clip_by_value,
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "depth_to_space": tf.nn.depth_to_space,
    "space_to_depth": tf.nn.space_to_depth,
    "concat": tf.concat,
    "tile": tf.tile,
    "resize": tf.image.resize,
    "cast": lambda x, *_, **__: x,
    "identity": tf.identity,
    "convert_to_tensor": lambda x, *_, **__: x,
    "leaky_relu": tf.nn.leaky_relu,
    "round": tf.round,
    **TF_GEOMETRY,
    **TF_VALUES,
}
_TF_HOMES = ("", "math", "nn", "image", "__operators__", "compat.v1", "compat.v1.nn", "linalg")
_TF_HOMES += ("compat.v1.image",)


def make_tf_operation(function: str, layer: str) -> Callable:
    """The function behind a `TFOpLambda` or `SlicingOpLambda` layer of tf-keras."""
    home, _, name = function.rpartition(".")
    if function == "__operators__.getitem":
        return lambda x, slice_spec: _by_index(x, _slices(slice_spec))
    if home in _TF_HOMES and name in _OPERATIONS:
        return _OPERATIONS[name]
    raise LayerError(
        f"expected TensorFlow functions that an integer file can hold, found tf.{function[:60]} "
        f"({layer}); use a layer of docs/networks.md in its place",
        [f"tf.{function[:60]}"],
    )


def make_keras3_operation(class_name: str, config: dict[str, Any]) -> Callable:
    """The function behind an operation of `keras.ops` in a Keras 3 configuration."""
    for table in (KERAS3_GEOMETRY, KERAS3_VALUES):
        if class_name in table:
            return table[class_name](config)
    if class_name == "Clip":
        return lambda x: tf.clip_by_value(x, config["x_min"], config["x_max"])
    if class_name == "Concatenate":
        return lambda x: tf.concat(x, config.get("axis", -1))
    if class_name == "LeakyRelu":
        return lambda x: tf.nn.leaky_relu(x, config.get("negative_slope", 0.2))
    if class_name in ("HardSigmoid", "HardTanh"):
        return _hard_sigmoid if class_name == "HardSigmoid" else _hard_tanh
    if class_name == "GetItem":
        return lambda x, spec: _by_index(x, _slices(spec))
    if class_name == "DepthToSpace":
        return lambda x, block_size=None: tf.nn.depth_to_space(
            x, block_size or config["block_size"]
        )
    plain = {"TrueDivide": "truediv", "Relu": "relu", "Relu6": "relu6"}.get(
        class_name, class_name.lower()
    )
    if plain in _OPERATIONS and plain not in ("tile", "resize", "cast"):
        return _OPERATIONS[plain]
    raise LayerError(
        f"expected operations of Keras 3 that have a twin in tf-keras, found keras.ops "
        f"{class_name[:60]} ({config.get('name')}); use a layer of docs/networks.md in its place",
        [f"keras.ops {class_name[:60]}"],
    )


def _slices(spec: Any) -> list[Any]:
    def read(part):
        if isinstance(part, dict):
            if part.get("class_name") in ("__ellipsis__",):
                return Ellipsis
            ends = part.get("config", part)
            return slice(ends.get("start"), ends.get("stop"), ends.get("step"))
        return part

    return [read(part) for part in (spec if isinstance(spec, (list, tuple)) else [spec])]
