"""The input's codes kept as pixels where the network joins the input with other tensors.

In int8 all inputs of a concatenation share one grid of codes. The input's codes are pixels and
nothing else, so what is joined must be a copy of it, on the grid of the others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sr_models.importing.operations import INPUT, Network, Operation


def joins_of_input(network: Network) -> list[str]:
    """What the source calls the concatenations that read the input itself."""
    return [op.layer for op in network if op.kind == "concatenate" and INPUT in op.inputs]


def with_input_apart(network: Network) -> Network:
    """The network with a 1x1 convolution by one between the input and each concatenation of it.

    Exact in float. In int8 it rounds a pixel to the nearest code of the concatenation, once.
    """
    made, renamed = Network(), {}
    for operation in network:
        inputs = tuple(renamed[name] for name in operation.inputs)
        if operation.kind == "concatenate" and INPUT in inputs:
            copy = made.add(_copy(network[INPUT].channels, name=f"{operation.layer}_picture"))
            inputs = tuple(copy if name == INPUT else name for name in inputs)
        renamed[operation.name] = made.add(replace(operation, inputs=inputs))
    made.output = renamed[network.output]
    return made


def _copy(channels: int, *, name: str) -> Operation:
    values = {
        "kernel": np.eye(channels, dtype=np.float32)[None, None],
        "bias": np.zeros(channels, np.float32),
        "padding": "same", "dilation": (1, 1), "groups": 1, "fixed": True,
    }  # fmt: skip
    return Operation(name, "convolution", (INPUT,), channels, values)
