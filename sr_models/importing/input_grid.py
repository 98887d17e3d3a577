"""The input's codes kept as pixels where the network joins the input with other tensors.

In int8 all inputs of a concatenation share one grid of codes. The input's codes are pixels and
nothing else, so what is joined must be a copy of it, on the grid of the others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sr_models.importing.operations import INPUT, Network, Operation

_MOVES = ("space_to_depth", "depth_to_space", "repeat", "slice")
"""What keeps the grid of what it moves. The converter requantizes behind them by itself, but
XNNPACK does that more coarsely than it convolves."""


def joins_of_input(network: Network) -> list[str]:
    """What the source calls the concatenations that read the input, as it is or moved."""
    return [
        op.layer
        for op in network
        if op.kind == "concatenate" and any(_is_picture(network, name) for name in op.inputs)
    ]


def with_input_apart(network: Network) -> Network:
    """The network with a 1x1 convolution by one between the input and each concatenation of it.

    Exact in float. In int8 it rounds a pixel to the nearest code of the concatenation, once.
    """
    made, renamed = Network(), {}
    for operation in network:
        inputs = [renamed[name] for name in operation.inputs]
        if operation.kind == "concatenate":
            copy = f"{operation.layer}_picture"
            inputs = [
                made.add(_copy(made, name, layer=copy)) if _is_picture(made, name) else name
                for name in inputs
            ]
        renamed[operation.name] = made.add(replace(operation, inputs=tuple(inputs)))
    made.output = renamed[network.output]
    return made.pruned()


def _is_picture(network: Network, name: str) -> bool:
    while network[name].kind in _MOVES:
        (name,) = network[name].inputs
    return name == INPUT


def _copy(network: Network, name: str, *, layer: str) -> Operation:
    """A convolution that copies a tensor; of some channels of another it reads that one."""
    chosen = np.arange(network[name].channels)
    while network[name].kind == "slice":
        chosen = chosen + network[name]["start"]
        (name,) = network[name].inputs
    values = {
        "kernel": np.eye(network[name].channels, dtype=np.float32)[:, chosen][None, None],
        "bias": np.zeros(len(chosen), np.float32),
        "padding": "same",
        "dilation": (1, 1),
        "groups": 1,
        "fixed": True,
    }
    return Operation(layer, "convolution", (name,), len(chosen), values)
