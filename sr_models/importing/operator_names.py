"""What users call a group of operators of which a frozen graph holds the parts.

Keras and TensorFlow take layers apart: a layer normalization arrives as a reshape, a GELU as an
error function. A message that named those parts would send people looking for what they never
wrote.
"""

from __future__ import annotations

import tensorflow as tf

_SCOPES = {
    "gelu": "GELU",
    "silu": "SiLU",
    "swish": "SiLU",
    "mish": "Mish",
    "hard_swish": "HardSwish",
    "layer_norm": "LayerNormalization",
    "group_norm": "GroupNormalization",
    "l2_normalize": "L2 normalization",
    "tensordot": "Dense",
    "softmax": "Softmax",
}
"""What stands in the names of TensorFlow's operators, in lower case, and what that is a part of."""

_READERS = {
    "FusedBatchNormV3": "LayerNormalization",
    "Einsum": "attention",
    "BatchMatMulV2": "attention",
    "MatMul": "Dense",
    "Mean": "GroupNormalization",
}
"""Who reads a reshaped tensor, and what both are parts of."""

_TYPES = {
    "Erf": "GELU",
    "Erfc": "GELU",
    "LRN": "LRN",
    "Einsum": "attention",
    "BatchMatMul": "attention",
    "BatchMatMulV2": "attention",
    "MatMul": "a product of matrices",
    "Rsqrt": "normalization by the picture's own statistics",
    "RealDiv": "a division by what depends on the picture",
}

_INSTEAD = {
    "GELU": "ReLU or PReLU",
    "SiLU": "ReLU or PReLU",
    "Mish": "ReLU or PReLU",
    "HardSwish": "ReLU or PReLU",
    "Softplus": "ReLU or PReLU",
    "a product of matrices": "1x1 convolutions",
    "normalization by the picture's own statistics": "BatchNormalization, which is folded away,",
    "a division by what depends on the picture": "a product with a sigmoid",
    "a maximum over channels": "a 1x1 convolution",
    "a maximum over the whole picture": "a mean over the whole picture",
    "LayerNormalization": "BatchNormalization, which is folded away,",
    "GroupNormalization": "BatchNormalization, which is folded away,",
    "instance normalization": "BatchNormalization, which is folded away,",
    "L2 normalization": "BatchNormalization, which is folded away,",
    "Dense": "a 1x1 convolution",
    "attention": "convolutions",
    "MultiHeadAttention": "convolutions",
    "Attention": "convolutions",
    "AdditiveAttention": "convolutions",
    "GroupQueryAttention": "convolutions",
    "UnitNormalization": "BatchNormalization, which is folded away,",
    "GlobalMaxPooling2D": "GlobalAveragePooling2D",
    "ELU": "ReLU or PReLU",
    "QuantizeWrapper": "the SavedModel of the network",
    "QuantizeWrapperV2": "the SavedModel of the network",
    "QuantizeLayer": "the SavedModel of the network",
    "Softmax": "a network without attention",
    "a mean over the whole picture": "a network without attention over the whole picture",
}


def known_as(op) -> str | None:
    """What users call the layer that an operator is a part of; `None` where it says it itself."""
    scope = op.name.lower().replace("_normalization", "_norm")
    for part, name in _SCOPES.items():
        if part in scope:
            return name
    if op.type in ("Reshape", "Transpose"):
        return _of_readers(op)
    if op.type == "FusedBatchNormV3":  # Behind a reshape its channels are pixels.
        return _READERS[op.type] if op.inputs[0].op.type == "Reshape" else None
    if op.type == "Mean":
        return _of_mean(op)
    if op.type == "Max":
        return "a maximum over channels" if _of_channels(op) else "a maximum over the whole picture"
    if op.type == "Softplus":
        readers = {reader.type for reader in op.outputs[0].consumers()}
        return "Mish" if "Tanh" in readers else "Softplus"
    return _TYPES.get(op.type)


def taken_instead(name: str) -> str | None:
    """What to take in the place of a layer that `known_as` names."""
    return _INSTEAD.get(name)


def is_normalization(op) -> bool:
    """Whether an operator is a part of a normalization by the picture's own statistics."""
    name = known_as(op) or ""
    return _INSTEAD.get(name, "").startswith("BatchNormalization")


def _of_readers(op) -> str | None:
    """What the first readers of a tensor, moves looked through, make of it."""
    seen, waiting = set(), [op]
    while waiting:
        for reader in waiting.pop().outputs[0].consumers():
            if reader.name in seen:
                continue
            seen.add(reader.name)
            if reader.type in _READERS:
                return _READERS[reader.type]
            if reader.type in ("Reshape", "Transpose", "Shape", "Identity") and reader.outputs:
                waiting.append(reader)
    return None


def _of_mean(op) -> str:
    if _of_channels(op):
        return "LayerNormalization"
    return "instance normalization" if normalizes(op) else "a mean over the whole picture"


_OF_STATISTICS = {"Sub", "Square", "SquaredDifference", "Mean", "StopGradient", "Identity"}.union(
    ("Sqrt", "Pow", "Add", "AddV2", "Maximum", "Mul", "Neg", "Cast"),
    ("Reshape", "Squeeze", "ExpandDims"),
)
"""What may stand between a mean and the division by what it is a part of."""
_MOST_SEEN = 60


def normalizes(op) -> bool:
    """Whether something is divided by what a mean is a part of, as normalization does."""
    seen, waiting = set(), [op]
    while waiting and len(seen) < _MOST_SEEN:
        made = waiting.pop(0)
        for reader in made.outputs[0].consumers():
            divides = reader.type in ("RealDiv", "Div") and reader.inputs[1] is made.outputs[0]
            if reader.type == "Rsqrt" or divides:
                return True
            if reader.type in _OF_STATISTICS and reader.name not in seen:
                seen.add(reader.name)
                waiting.append(reader)
    return False


def _of_channels(op) -> bool:
    axes = _axes(op)
    return axes is not None and all(axis in (-1, 3) for axis in axes)


def _axes(op) -> list[int] | None:
    value = tf.get_static_value(op.inputs[1])
    return None if value is None else [int(axis) for axis in value.reshape(-1)]
