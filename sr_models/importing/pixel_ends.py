"""What bounds the output of a network: found behind the last computing layer, and taken out.

A clip to black and white changes no picture that is saturated anyhow, and an integer store
saturates. So it goes without retraining: the network computes the same, and only what lay beyond
black and white is no longer cut in float.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sr_models.ground.errors import NetworkError
from sr_models.importing.operations import INPUT, Network, Operation, affine_values
from sr_models.importing.output_rounding import LOOKED_THROUGH, uniform


def with_pixels(
    network: Network, *, black_in: float, white_in: float, black_out: float, white_out: float
) -> Network:
    """The same network on pixels of 0..1, with an `affine` at each end that folding may take away.

    Args:
        network: Any.
        black_in: What the network takes for black.
        white_in: What it takes for white.
        black_out: What it returns for black.
        white_out: What it returns for white.
    """
    made = Network()
    channels = network[INPUT].channels
    made.add(network[INPUT])
    values = affine_values(channels, white_in - black_in, black_in)
    first = made.add(Operation("to_network", "affine", (INPUT,), channels, values))
    renamed = {INPUT: first}
    for operation in network:
        if operation.name != INPUT:
            inputs = tuple(renamed[name] for name in operation.inputs)
            renamed[operation.name] = made.add(replace(operation, inputs=inputs))
    span = white_out - black_out
    last = network[network.output].channels
    values = affine_values(last, 1.0 / span, -black_out / span)
    made.output = made.add(
        Operation("to_pixels", "affine", (renamed[network.output],), last, values)
    )
    return made


_MOVES = ("space_to_depth", "depth_to_space", "repeat", "slice", "pad", "mirror_pad", "crop")
_MOVES += ("max_pool", "average_pool")
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


_ACTIVATIONS = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}
_SLACK = 1e-4


@dataclass(frozen=True)
class OutputEnd:
    """What stands between the last computing layer and the picture.

    Attributes:
        clips: Names of the operations that bound or round values, last first.
        minimum: Least value that the output can have; minus infinity where nothing bounds it.
        maximum: Greatest value.
        activation: `"tanh"` or `"sigmoid"` where the last layer is one.
        layers: What the source calls the clips.
    """

    clips: tuple[str, ...] = ()
    minimum: float = -np.inf
    maximum: float = np.inf
    activation: str | None = None
    layers: tuple[str, ...] = ()

    @property
    def range(self) -> tuple[float, float] | None:
        """What the bounds say about black and white: 0..1, 0..255 or -1..1, or nothing."""
        known = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))
        return next((k for k in known if np.allclose(k, (self.minimum, self.maximum))), None)

    @property
    def text(self) -> str:
        """The bounds in words, e.g. `"0..1"`."""
        return f"{_number(self.minimum)}..{_number(self.maximum)}"


def _number(value: float) -> str:
    return f"{value:g}" if np.isfinite(value) else "any"


def find_output_end(network: Network) -> OutputEnd:
    """Walk back from the output over what only moves, scales, rounds or bounds values."""
    uses, operation = network.uses(), network[network.output]
    factor, shift, low, high = 1.0, 0.0, -np.inf, np.inf
    clips: list[Operation] = []
    while operation.kind in LOOKED_THROUGH and uses[operation.name] == 1:
        if operation.kind == "affine":
            if (found := uniform(operation)) is None:
                break
            scale, offset = found
            shift += factor * offset
            factor *= scale
        elif operation.kind in ("bound", "rounding", "truncation"):
            clips.append(operation)
        if operation.kind == "bound":
            low = max(low, factor * operation["minimum"] + shift)
            high = min(high, factor * operation["maximum"] + shift)
        operation = network[operation.inputs[0]]
    activation = operation.kind if operation.kind in _ACTIVATIONS else None
    if activation:
        ends = [factor * value + shift for value in _ACTIVATIONS[activation]]
        low, high = max(low, ends[0]), min(high, ends[1])
    return OutputEnd(
        tuple(op.name for op in clips),
        low,
        high,
        activation,
        tuple(dict.fromkeys(op.layer for op in clips)),
    )


def without_clips(network: Network, end: OutputEnd, *, black: float, white: float) -> Network:
    """The network without the operations that `find_output_end` found.

    Args:
        network: Any.
        end: What was found in it.
        black: What the network returns for black.
        white: What it returns for white.

    Raises:
        NetworkError: The bounds cut off a part of black to white: taking them out would change
            pictures.
    """
    slack = _SLACK * (white - black)
    if end.clips and (end.minimum > black + slack or end.maximum < white - slack):
        raise NetworkError(
            f"expected an output clip to {black:g}..{white:g}, found one to {end.text} "
            f"({', '.join(end.layers)}), which changes pictures; take it out of the network, or "
            "say with --pixels what black and white are"
        )
    made, renamed = Network(), {}
    for operation in network:
        if operation.name in end.clips:
            renamed[operation.name] = renamed[operation.inputs[0]]
            continue
        inputs = tuple(renamed[name] for name in operation.inputs)
        renamed[operation.name] = made.add(replace(operation, inputs=inputs))
    made.output = renamed[network.output]
    return made


def with_free_grid(network: Network) -> Network:
    """The network with a 1x1 convolution behind a tanh or sigmoid that is its last computation.

    TFLite fixes their output's grid at steps of 1/128 and 1/256, which are not those of pixels.
    """
    name = network.output
    moves = ("depth_to_space", "space_to_depth", "repeat", "select", "crop")
    while network[name].kind in moves:
        (name,) = network[name].inputs
    if network[name].kind not in _ACTIVATIONS:
        return network
    made, renamed = Network(), {}
    for operation in network:
        inputs = tuple(renamed[source] for source in operation.inputs)
        renamed[operation.name] = made.add(replace(operation, inputs=inputs))
        if operation.name == name:
            channels = operation.channels
            values = affine_values(channels)
            added = Operation("pixel_grid", "affine", (renamed[name],), channels, values)
            renamed[name] = made.add(added)
    made.output = renamed[network.output]
    return made
