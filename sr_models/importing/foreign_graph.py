"""Networks in files of other runtimes, which are no TensorFlow functions: what `adopt` asks of one.

A reader of such a file makes `operations.Network` of it, as `reading` does of a frozen graph. From
there both go the same way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sr_models.importing.keras_network import to_keras
from sr_models.importing.operations import Network, Operation
from sr_models.importing.simplification import simplified


@dataclass(frozen=True)
class ForeignGraph:
    """A file's network for one size of input.

    Attributes:
        network: What was read, as operations.
        input: `tf.TensorSpec` of the input, (1, H, W, C) whatever the file's own order is.
        output: The same of the output.
        step: Relative error of the half precision that the file asks for; it is read and run in
            float32. 0 where it asks for none.
        rounds: Whether the file rounds its tensors to grids that it was trained for; it is read and
            run without.
    """

    network: Network
    input: Any
    output: Any
    step: float = 0.0
    rounds: bool = False

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Compute what was read, without what only rounds."""
        return np.asarray(self._keras(np.asarray(batch, np.float32), training=False))

    @cached_property
    def _keras(self):
        made, renamed = Network(), {}
        for operation in self.network:
            inputs = tuple(renamed[name] for name in operation.inputs)
            if operation.kind in ("rounding", "truncation"):
                renamed[operation.name] = inputs[0]
            else:
                renamed[operation.name] = made.add(replace(operation, inputs=inputs))
        made.output = renamed[self.network.output]
        return to_keras(made, name="as_read")


_SIZED = ("factor", "block", "times", "parts", "corners", "centred", "rows", "columns", "padding")
_SLACK = 2e-3


def is_same_network(first: Network, second: Network) -> bool:
    """Whether what was read for two sizes of the input is one network."""
    pairs = [list(simplified(network)) for network in (first, second)]
    return len(pairs[0]) == len(pairs[1]) and all(map(_is_same, *pairs))


def _is_same(first: Operation, second: Operation) -> bool:
    """Whether two operations are one, whatever the size of the picture that they were read for.

    Numbers may differ by a little: n / (n - 1) of all pixels, as an unbiased deviation has it.
    """
    if (first.kind, first.channels) != (second.kind, second.channels):
        return False
    for name, value in first.values.items():
        other = second.values.get(name)
        if isinstance(value, np.ndarray):
            if np.shape(value) != np.shape(other) or not np.allclose(
                value, other, rtol=_SLACK, atol=_SLACK * np.abs(value).max()
            ):
                return False
        elif name in _SIZED and value != other:
            return False
    return True


class CannotRunError(RuntimeError):
    """A file that no runtime at hand runs; the text is the reason, as a clause."""


class ForeignNetwork(ABC):
    """A file's network, opened and not yet read for a size."""

    @abstractmethod
    def at(self, shape: Sequence[int]) -> ForeignGraph:
        """The network for an input of (1, H, W, C).

        Raises:
            NetworkError: An operator that has no place in an integer file.
        """

    @property
    @abstractmethod
    def runtime(self) -> str:
        """What runs the file, e.g. `"onnxruntime 1.32.0"`."""

    @abstractmethod
    def __call__(self, batch) -> np.ndarray:
        """Run the file itself, by its own runtime.

        Args:
            batch: float32 (N, H, W, C), pixels as the network takes them.

        Returns:
            float32 (N, H s, W s, C).

        Raises:
            CannotRunError: No runtime is at hand, or none runs this file.
        """
