"""A network of any range of pixels, between two changes of unit."""

from __future__ import annotations

from dataclasses import replace

from sr_models.importing.operations import INPUT, Network, Operation, affine_values


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
