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

from sr_models.importing.channel_order import Reordering, read_in_order
from sr_models.importing.geometry_rules import (
    GeometryAbsorption,
    GeometryRewriting,
    is_padding_of,
)
from sr_models.importing.operations import (
    INPUT,
    Network,
    Operation,
    affine_values,
    is_relu,
    is_relu6,
    is_shifted,
)
from sr_models.importing.piecewise import slopes_of_sum
from sr_models.importing.source_grids import GridAbsorption, GridRules
from sr_models.importing.value_rules import ValueRules

_NOTHING = {"factor": 1.0, "shift": 0.0}


class Absorption(GeometryAbsorption, GridAbsorption):
    """Looks for operations of a network that can take a factor and a shift into themselves.

    Attributes:
        network: Where they are looked for, and where the changed ones are added.
        shared: Operations that several others read, which must stay as they are.
        keeps_relu6: Whether a bound of 0..6 stays one where it is multiplied with something.
    """

    def __init__(self, network: Network, *, keeps_relu6: bool = False):
        self.network, self.keeps_relu6 = network, keeps_relu6
        self.shared: set[str] = set()

    def of(self, name: str, factor: np.ndarray, shift: np.ndarray) -> str | None:
        """An operation that computes x * factor + shift at no cost; `None` where there is none."""
        operation = self.network[name]
        if (factor == 1.0).all() and not shift.any():
            return name
        if name in self.shared and operation.kind != "affine":
            return None
        rule = getattr(self, f"_absorbed_{operation.kind}", None)
        return rule(operation, factor, shift) if rule else None

    def _absorbed_affine(self, operation: Operation, factor, shift) -> str | None:
        both = {
            "factor": operation["factor"] * factor,
            "shift": operation["shift"] * factor + shift,
        }
        # Of 1/255 and 255 the product is 1 but for float32's rounding.
        if all(np.allclose(both[n], v, rtol=0, atol=1e-6) for n, v in _NOTHING.items()):
            return operation.inputs[0]
        if operation.name in self.shared:
            return None
        deeper = self.of(operation.inputs[0], both["factor"], both["shift"])
        return self.network.add(replace(operation, values=both)) if deeper is None else deeper

    def _absorbed_convolution(self, operation: Operation, factor, shift) -> str | None:
        if operation.values.get("fixed"):
            return None
        weights = {
            "kernel": operation["kernel"] * factor,
            "bias": operation["bias"] * factor + shift,
        }
        if "scales" in operation.values:
            weights["scales"] = operation["scales"] * np.abs(factor)
        return self.network.add(replace(operation, values={**operation.values, **weights}))

    def _absorbed_depth_to_space(self, operation: Operation, factor, shift) -> str | None:
        times = operation["block"] ** 2
        return self._moved(operation, np.tile(factor, times), np.tile(shift, times))

    def _absorbed_bilinear(self, operation: Operation, factor, shift) -> str | None:
        return self._moved(operation, factor, shift)

    _absorbed_mean = _absorbed_resize = _absorbed_bilinear

    def of_product(self, operation: Operation, factor, shift) -> str | None:
        """A product of two tensors whose factor one of the two has taken in; `None` for neither."""
        if shift.any():
            return None
        for place, name in enumerate(operation.inputs):
            kept = self.keeps_relu6 and is_relu6(self.network[name])
            if self.network[name].channels == operation.channels and not kept:
                made = self.of(name, factor, shift)
                if made is not None:
                    inputs = list(operation.inputs)
                    inputs[place] = made
                    return self.network.add(replace(operation, inputs=tuple(inputs)))
        return None

    _absorbed_multiply = of_product

    def _absorbed_repeat(self, operation: Operation, factor, shift) -> str | None:
        parts = [np.split(v, operation["times"]) for v in (factor, shift)]
        if any((part != first[0]).any() for first in parts for part in first):
            return None
        return self._moved(operation, parts[0][0], parts[1][0])

    def _absorbed_bound(self, operation: Operation, factor, shift) -> str | None:
        low, high = operation["minimum"], operation["maximum"]
        if (factor <= 0.0).any():
            return None
        if (factor != factor[0]).any() or (shift != shift[0]).any():
            if shift.any() or not is_relu(operation):
                return None
            return self._moved(operation, factor, shift)
        values = {"minimum": low * factor[0] + shift[0], "maximum": high * factor[0] + shift[0]}
        return self._moved(replace(operation, values=values), factor, shift)

    def _absorbed_prelu(self, operation: Operation, factor, shift) -> str | None:
        if (factor <= 0.0).any() or shift.any():
            return None
        return self._moved(operation, factor, shift)

    def _moved(self, operation: Operation, factor, shift) -> str | None:
        source = self.of(operation.inputs[0], factor, shift)
        if source is None:
            return None
        return self.network.add(replace(operation, inputs=(source,)))

    def _absorbed_concatenate(self, operation: Operation, factor, shift) -> str | None:
        widths = np.cumsum([self.network[name].channels for name in operation.inputs])[:-1]
        parts = zip(operation.inputs, np.split(factor, widths), np.split(shift, widths))
        inputs = tuple(self.of(*part) for part in parts)
        return None if None in inputs else self.network.add(replace(operation, inputs=inputs))

    def _absorbed_add(self, operation: Operation, factor, shift) -> str | None:
        """The factor goes both ways; the shift goes where it costs less."""
        if any(self.network[name].channels != operation.channels for name in operation.inputs):
            return None
        none = np.zeros_like(shift)
        ways = []
        for shifts in ((shift, none), (none, shift)):
            inputs = tuple(self.of(n, factor, s) for n, s in zip(operation.inputs, shifts))
            if None not in inputs:
                ways.append(inputs)
        if not ways:
            return None
        return self.network.add(replace(operation, inputs=min(ways, key=self._cost)))

    def _cost(self, names: tuple[str, ...]) -> int:
        made = [self.network[name] for name in self.network.needed(*names)]
        return sum(1 + is_shifted(op) for op in made if op.kind == "affine")


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


def _has_room(convolution: Operation) -> bool:
    """Whether the kernel may reach beyond the picture."""
    return convolution["padding"] == "same" and max(convolution["kernel"].shape[:2]) > 1


class _Rewriting(GeometryRewriting, ValueRules, GridRules):
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
        self.absorption = Absorption(self.new, keeps_relu6=final)
        self.reordering = Reordering(self.new, self.absorption.shared)

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
        if self._source(operation).kind == "select":
            return self._before_selection(operation, self._affine)
        if self.final and self._is_of_relu6(operation):
            return self.new.add(operation)
        absorbed = self.absorption.of(operation.inputs[0], operation["factor"], operation["shift"])
        return self.new.add(operation) if absorbed is None else absorbed

    def _bound(self, operation: Operation) -> str:
        source = self._source(operation)
        for rule in (self.before_moves, self.before_grid):
            if (moved := rule(operation)) is not None:
                return moved
        if source.kind != "bound":
            scaled = self._as_relu6(operation) if self.final else None
            return self.new.add(operation) if scaled is None else scaled
        # The later bound wins where the two do not overlap.
        low, high = operation["minimum"], operation["maximum"]
        both = {
            "minimum": min(max(source["minimum"], low), high),
            "maximum": max(min(source["maximum"], high), low),
        }
        return self.new.add(replace(operation, inputs=source.inputs, values=both))

    def _prelu(self, operation: Operation) -> str:
        """A slope of 0 is a ReLU, which convolutions take in; one of 1 does nothing."""
        if (operation["slope"] == 1.0).all():
            return operation.inputs[0]
        if operation["slope"].any():
            return self.new.add(operation)
        return self._bound(
            replace(operation, kind="bound", values={"minimum": 0.0, "maximum": np.inf})
        )

    def _add(self, operation: Operation) -> str:
        """What a tensor and parts of it add up to is a PReLU, or its negative side."""
        found = slopes_of_sum(self.new, operation.inputs)
        if found is None:
            return self.new.add(operation)
        base, slopes = found
        if not slopes.above.any():  # b x below 0 is -b relu(-x)
            channels = operation.channels
            turned = self._made(operation, "affine", base, affine_values(channels, -1.0))
            positive = self._made(operation, "bound", turned, {"minimum": 0.0, "maximum": np.inf})
            return self._made(operation, "affine", positive, affine_values(channels, -slopes.below))
        if not (slopes.above > 0.0).all():
            return self.new.add(operation)
        slope = {"slope": (slopes.below / slopes.above).astype(np.float32)}
        bent = self._prelu(replace(operation, kind="prelu", inputs=(base,), values=slope))
        if (slopes.above == 1.0).all():
            return bent
        factor = affine_values(operation.channels, slopes.above)
        return self._affine(replace(operation, kind="affine", inputs=(bent,), values=factor))

    def _made(self, operation: Operation, kind: str, source: str, values) -> str:
        return self.new.add(replace(operation, kind=kind, inputs=(source,), values=values))

    def _convolution(self, operation: Operation) -> str:
        source = self._source(operation)
        if source.kind == "pad" and is_padding_of(source, operation):
            values = {**operation.values, "padding": "same"}
            return self._convolution(replace(operation, inputs=source.inputs, values=values))
        if source.kind == "select" and operation["groups"] == 1:
            return self._convolution(read_in_order(self.new, operation))
        padding = source if source.kind == "pad" else None
        if padding is not None:
            source = self._source(padding)
        if source.kind != "affine":
            return self.new.add(operation)
        kernel, groups = operation["kernel"], operation["groups"]
        scaled = kernel * _per_group(source["factor"], kernel, groups)
        if "scales" in operation.values:  # Right where all channels have one factor.
            steps = operation["scales"] * np.abs(source["factor"][0])
            operation = replace(operation, values={**operation.values, "scales": steps})
        if not is_shifted(source):
            return self._with(operation, self.padded(padding, source.inputs), kernel=scaled)
        if not _has_room(operation) and padding is None:
            moved = (kernel * _per_group(source["shift"], kernel, groups)).sum(axis=(0, 1, 2))
            return self._with(
                operation, source.inputs, kernel=scaled, bias=operation["bias"] + moved
            )
        if self.final and source.inputs == (INPUT,):
            dense = _dense(kernel, groups)
            ones = (dense * source["shift"][:, None]).sum(axis=2, keepdims=True)
            widened = np.concatenate([dense * source["factor"][:, None], ones], axis=2)
            picture = self.padded(padding, (self._picture_and_ones(),))
            return self._with(operation, picture, kernel=widened, groups=1)
        return self.new.add(operation)

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
