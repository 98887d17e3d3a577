"""factor * x + shift for nothing: in the weights of what makes x, or of what that is made from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sr_models.importing.operations import Network, Operation, is_relu, is_shifted

_NOTHING = {"factor": 1.0, "shift": 0.0}


class Absorption:
    """Looks for operations of a network that can take a factor and a shift into themselves.

    Attributes:
        network: Where they are looked for, and where the changed ones are added.
        shared: Operations that several others read, which must stay as they are.
    """

    def __init__(self, network: Network):
        self.network = network
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
        return self.network.add(replace(operation, values={**operation.values, **weights}))

    def _absorbed_depth_to_space(self, operation: Operation, factor, shift) -> str | None:
        times = operation["block"] ** 2
        return self._moved(operation, np.tile(factor, times), np.tile(shift, times))

    def _absorbed_bilinear(self, operation: Operation, factor, shift) -> str | None:
        return self._moved(operation, factor, shift)

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
