"""Operations rewritten into fewer that compute the same: scales, means and batch normalization go
into convolutions.

An `affine` costs a pass over a tensor, and in int8 a rounding. It is free where a convolution
before it takes it into its weights, or one behind it: a factor always, a shift where no zero
padding is between. Where there is, a shift is not a constant: outside of the picture lies 0 and not
the shift. For the network's input there is an exact way nevertheless: the picture gets one more
channel of ones, which zero padding ends where the picture ends, and the first convolution gets the
shift as weights of that channel.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sr_models.importing.absorption import Absorption
from sr_models.importing.operations import INPUT, Network, Operation, is_relu, is_shifted


def simplified(network: Network, *, final: bool = False) -> Network:
    """The same function with every `affine` folded that can be.

    Args:
        network: Any.
        final: Also fold a shift of the input through zero padding (see the module). Only once
            nothing is put before the input any more.
    """
    while True:
        smaller = _Rewriting(network, final=final).run()
        if len(smaller.operations) == len(network.operations):
            return smaller
        network = smaller


def _is_scaling(operation: Operation, *, by: float) -> bool:
    return (
        operation.kind == "affine"
        and bool((operation["factor"] == by).all())
        and not is_shifted(operation)
    )


def _has_room(convolution: Operation) -> bool:
    """Whether the kernel may reach beyond the picture."""
    return convolution["padding"] == "same" and max(convolution["kernel"].shape[:2]) > 1


class _Rewriting:
    """One pass in the order of computation; what is left unused is dropped at the end."""

    def __init__(self, network: Network, *, final: bool):
        self.old, self.uses, self.final = network, network.uses(), final
        self.new = Network()
        self.only_reader = {  # of tensors that one operation reads, its kind
            name: operation.kind
            for operation in network
            for name in operation.inputs
            if self.uses[name] == 1
        }
        self.renamed: dict[str, str] = {}
        self.absorption = Absorption(self.new)

    def run(self) -> Network:
        for operation in self.old:
            inputs = tuple(self.renamed[name] for name in operation.inputs)
            rule = getattr(self, f"_{operation.kind}", self.new.add)
            name = rule(replace(operation, inputs=inputs))
            self.renamed[operation.name] = name
            if self.uses[operation.name] > 1:
                self.absorption.shared.add(name)
        self.new.output = self.renamed[self.old.output]
        return self.new.pruned()

    def _source(self, operation: Operation) -> Operation:
        return self.new[operation.inputs[0]]

    def _affine(self, operation: Operation) -> str:
        if self.only_reader.get(operation.name) == "affine":
            return self.new.add(operation)  # first the two become one
        absorbed = self.absorption.of(operation.inputs[0], operation["factor"], operation["shift"])
        return self.new.add(operation) if absorbed is None else absorbed

    def _bound(self, operation: Operation) -> str:
        source = self._source(operation)
        if source.kind != "bound":
            return self.new.add(operation)
        # The later bound wins where the two do not overlap.
        low, high = operation["minimum"], operation["maximum"]
        both = {
            "minimum": min(max(source["minimum"], low), high),
            "maximum": max(min(source["maximum"], high), low),
        }
        return self.new.add(replace(operation, inputs=source.inputs, values=both))

    def _add(self, operation: Operation) -> str:
        """relu(x) - a relu(-x) is how PReLU is computed where there is no operator for it."""
        first, second = (self.new[name] for name in operation.inputs)
        for positive, negative in ((first, second), (second, first)):
            if not (is_relu(positive) and negative.kind == "affine"):
                continue
            inner = self._source(negative)
            turned = self._source(inner) if is_relu(inner) else None
            if turned is None or not _is_scaling(turned, by=-1.0):
                continue
            if turned.inputs == positive.inputs and not is_shifted(negative):
                values = {"slope": -negative["factor"]}
                return self.new.add(
                    replace(operation, kind="prelu", inputs=positive.inputs, values=values)
                )
        return self.new.add(operation)

    def _convolution(self, operation: Operation) -> str:
        source = self._source(operation)
        if source.kind == "pad" and self._replaces_padding(source, operation):
            values = {**operation.values, "padding": "same"}
            return self._convolution(replace(operation, inputs=source.inputs, values=values))
        if source.kind != "affine":
            return self.new.add(operation)
        kernel, groups = operation["kernel"], operation["groups"]
        scaled = kernel * _per_group(source["factor"], kernel, groups)
        if not is_shifted(source):
            return self._with(operation, source.inputs, kernel=scaled)
        if not _has_room(operation):
            moved = (kernel * _per_group(source["shift"], kernel, groups)).sum(axis=(0, 1, 2))
            return self._with(
                operation, source.inputs, kernel=scaled, bias=operation["bias"] + moved
            )
        if self.final and source.inputs == (INPUT,):
            dense = _dense(kernel, groups)
            ones = (dense * source["shift"][:, None]).sum(axis=2, keepdims=True)
            widened = np.concatenate([dense * source["factor"][:, None], ones], axis=2)
            picture = (self._picture_and_ones(),)
            return self._with(operation, picture, kernel=widened, groups=1)
        return self.new.add(operation)

    def _replaces_padding(self, pad: Operation, convolution: Operation) -> bool:
        """Whether zeros around a convolution without padding are those of `"same"`."""
        if convolution["padding"] != "valid":
            return False
        sizes = zip(convolution["kernel"].shape[:2], convolution["dilation"])
        wanted = [((d * (k - 1)) // 2, d * (k - 1) - (d * (k - 1)) // 2) for k, d in sizes]
        return [tuple(pad["rows"]), tuple(pad["columns"])] == wanted

    def _with(self, operation: Operation, inputs, **values) -> str:
        return self.new.add(
            replace(operation, inputs=tuple(inputs), values={**operation.values, **values})
        )

    def _picture_and_ones(self) -> str:
        name = "picture_and_ones"
        if name not in self.new.operations:
            channels = self.new[INPUT].channels
            values = {
                "kernel": np.eye(channels, channels + 1, dtype=np.float32)[None, None],
                "bias": np.eye(channels + 1, dtype=np.float32)[channels],
                "padding": "same",
                "dilation": (1, 1),
                "groups": 1,
                "fixed": True,
            }
            self.new.add(Operation(name, "convolution", (INPUT,), channels + 1, values))
        return name


def _per_group(values: np.ndarray, kernel: np.ndarray, groups: int) -> np.ndarray:
    """Values of input channels, laid out as a kernel's (1, 1, in / groups, out)."""
    by_group = values.reshape(groups, -1)
    return np.repeat(by_group, kernel.shape[3] // groups, axis=0).T[None, None]


def _dense(kernel: np.ndarray, groups: int) -> np.ndarray:
    """The kernel (h, w, in, out) of one group that computes what `groups` groups do."""
    height, width, inputs, outputs = kernel.shape
    made = np.zeros((height, width, groups, inputs, groups, outputs // groups), np.float32)
    parts = kernel.reshape(height, width, inputs, groups, outputs // groups)
    for group in range(groups):
        made[:, :, group, :, group] = parts[:, :, :, group]
    return made.reshape(height, width, groups * inputs, outputs)
