"""Whose class a layer of a Keras file is: a class name alone proves nothing.

A `.keras` archive names the module of every class, and none for a class of a script or notebook.
An `.h5` file has names alone; there the configuration must be what Keras' own class writes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

_KERAS = ("keras", "tf_keras", "tensorflow")
_OF_ANY_LAYER = {
    "name",
    "trainable",
    "dtype",
    "dynamic",
    "autocast",
    "batch_input_shape",
    "batch_shape",
    "input_shape",
    "input_dtype",
    "build_config",
    "activity_regularizer",
    "quantization_config",
    "groups",
    "dilation_rate",
    "data_format",
    "input_dim",
    "synchronized",
    "renorm",
    "renorm_clipping",
    "renorm_momentum",
    "virtual_batch_size",
    "fused",
    "adjustment",
    "noise_shape",
    "seed",
    "implementation",
    "lora_rank",
    "lora_alpha",
}
_OF_WEIGHTS = ("_initializer", "_regularizer", "_constraint")
_WRITTEN: dict[str, tuple[str, ...]] = {
    "Conv2D": ("filters", "kernel_size"),
    "Convolution2D": ("filters", "kernel_size"),
    "Conv2DTranspose": ("filters", "kernel_size"),
    "DepthwiseConv2D": ("kernel_size",),
    "SeparableConv2D": ("filters", "kernel_size"),
    "BatchNormalization": ("axis", "epsilon"),
    "ReLU": ("max_value",),
    "PReLU": ("shared_axes",),
    "Concatenate": ("axis",),
    "UpSampling2D": ("size",),
    "ZeroPadding2D": ("padding",),
    "Normalization": ("axis",),
    "Rescaling": ("scale",),
    "MaxPooling2D": ("pool_size",),
    "AveragePooling2D": ("pool_size",),
    "Reshape": ("target_shape",),
    "Permute": ("dims",),
    "Activation": ("activation",),
    "Lambda": ("function",),
    "Dropout": ("rate",),
    "SpatialDropout2D": ("rate",),
    "GaussianNoise": ("stddev",),
    "GaussianDropout": ("rate",),
}
"""What Keras has written into the configuration of each class ever since there is one."""


def is_of_keras(entry: Mapping[str, Any], *, known: Callable | None = None) -> bool:
    """Whether an entry of a Keras file is of one of Keras' own classes.

    Args:
        entry: `class_name`, `config`, and `module` and `registered_name` where the file has them.
        known: Keras' class of that name, which says what it can write; `None` where it is not
            looked at.
    """
    registered = entry.get("registered_name")
    if ">" in str(registered or entry.get("class_name")):
        return False
    if "module" in entry:
        module = entry["module"]
        if module is None:  # A class of a script's or a notebook's own, if it has a name.
            return registered is None
        return str(module).split(".")[0] in _KERAS
    if registered is not None:
        return False
    return _writes(entry, known)


def is_of_ours(entry: Mapping[str, Any]) -> bool:
    """Whether an entry is of a class that this package registered under its own name."""
    registered = entry.get("registered_name") or entry.get("class_name")
    return str(registered).startswith("sr_models>")


def _writes(entry: Mapping[str, Any], known: Callable | None) -> bool:
    """Whether a configuration without a module is one that Keras' own class writes."""
    config, kind = entry.get("config") or {}, str(entry.get("class_name"))
    if any(key not in config for key in _WRITTEN.get(kind, ())):
        return False
    if kind == "LeakyReLU" and not {"alpha", "negative_slope"} & set(config):
        return False
    if known is None:
        return True
    allowed = _OF_ANY_LAYER | set(inspect.signature(known).parameters)
    return all(
        key in allowed or key.endswith(_OF_WEIGHTS)
        for key, value in config.items()
        if value is not None
    )
