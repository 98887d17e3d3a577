"""Channels cut out of a convolution's answer: a convolution of those channels alone.

A network that splits channels (`tf.split`, `x[..., a:b]`, as IMDN does) computes all of them and
copies the parts. Where nothing else reads the whole, each part may be computed by a convolution of
its own: the same products, no copy, and in int8 each part has a grid of its own, so that none must
be brought onto another's.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from sr_models.importing.operations import Network, Operation

LANES = 8
"""Output channels that int8 kernels compute at once, at least; a part is padded to so many."""
_PER_CHANNEL = ("factor", "shift", "slope", "scales")
_POINTWISE = ("prelu", "bound", "affine", "tanh", "sigmoid", "gelu", "grid")


def with_parts_computed(network: Network) -> Network:
    """The same network with convolutions of parts in place of slices, where that costs no products.

    Args:
        network: Any; see `sr_models.importing.operations`.
    """
    for name in list(network.operations):
        if _is_cut(network, name):
            network = _cut(network, name)
    return network.pruned()


def _is_cut(network: Network, name: str) -> bool:
    """Whether slices alone read a tensor, none of them what another reads, and lanes suffice."""
    slices = _readers(network, name)
    if name == network.output or not slices or any(op.kind != "slice" for op in slices):
        return False
    parts = sorted({(op["start"], op["stop"]) for op in slices})
    if any(first[1] > second[0] for first, second in pairwise(parts)):
        return False
    lanes = sum(-(-(stop - start) // LANES) for start, stop in parts)
    return lanes <= -(-network[name].channels // LANES) and _chain(network, name) is not None


def _readers(network: Network, name: str) -> list[Operation]:
    return [op for op in network for source in op.inputs if source == name]


def _chain(network: Network, name: str) -> list[Operation] | None:
    """The operations from a convolution to a tensor, each read by the next alone."""
    chain = [network[name]]
    while chain[-1].kind in _POINTWISE:
        (source,) = chain[-1].inputs
        if len(_readers(network, source)) > 1 or source == network.output:
            return None
        chain.append(network[source])
    last = chain[-1]
    plain = last.kind == "convolution" and last["groups"] == 1 and not last.values.get("fixed")
    return chain[::-1] if plain else None


def _cut(network: Network, name: str) -> Network:
    """The network with each slice of a tensor computed by itself."""
    chain = _chain(network, name)
    slices = {op.name for op in _readers(network, name)}
    made, renamed, parts = Network(), {}, {}
    for operation in network:
        if operation.name in slices:
            place = operation["start"], operation["stop"]
            if place not in parts:
                source = renamed[chain[0].inputs[0]]
                for link in chain:
                    source = made.add(_part(link, source, *place, number=len(parts)))
                parts[place] = source
            renamed[operation.name] = parts[place]
            continue
        inputs = tuple(renamed[source] for source in operation.inputs)
        renamed[operation.name] = made.add(replace(operation, inputs=inputs))
    made.output = renamed[network.output]
    return made


def _part(operation: Operation, source: str, start: int, stop: int, *, number: int) -> Operation:
    values = dict(operation.values)
    for key, value in values.items():
        if key in (*_PER_CHANNEL, "kernel", "bias"):
            values[key] = np.ascontiguousarray(value[..., start:stop])
    return replace(
        operation,
        inputs=(source,),
        channels=stop - start,
        values=values,
        layer=f"{operation.layer}_part{number}",
    )
