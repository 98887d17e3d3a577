"""Operators of a frozen graph that look at the whole picture, or compute values one by one."""

from __future__ import annotations

import numpy as np

from sr_models.importing.onnx_views import View, whole_axes
from sr_models.importing.operations import affine_values
from sr_models.importing.operator_names import normalizes
from sr_models.importing.view_readers import ViewReaders

_SPATIAL = (1, 2)


class ValueReaders(ViewReaders):
    """Means and sums of pixels, squares and roots, and what GELU is made of."""

    def _read_Mean(self, op) -> str | None:
        if normalizes(op):
            raise self._unknown(op)
        axes = self._summed(op)
        if axes == (3,):
            return self._mean_of_channels(op)
        if not axes or not set(axes) <= set(_SPATIAL):
            raise self._unknown(op)
        channels = op.inputs[0].shape[-1]
        made = self._add(op, "mean", op.inputs[:1], {"axes": axes}, channels=channels)
        return self._without(op, made, axes)

    def _read_Sum(self, op) -> str | None:
        axes = self._summed(op)
        if not axes or not set(axes) <= set(_SPATIAL):
            raise self._unknown(op)
        channels = op.inputs[0].shape[-1]
        count = float(np.prod([op.inputs[0].shape[axis] for axis in axes]))
        mean = self._add(op, "mean", op.inputs[:1], {"axes": axes}, channels=channels)
        factor = affine_values(channels, count)
        made = self._add(op, "affine", [mean], factor, channels=channels)
        return self._without(op, made, axes)

    def _summed(self, op) -> tuple[int, ...]:
        """The axes that are summed up; none of them where the tensor is no picture."""
        if op.inputs[0].shape.rank != 4:
            return ()
        axes = np.atleast_1d(self.constants[op.inputs[1]])
        found = {int(axis) % 4 for axis in axes}
        return tuple(sorted(found - {0} if op.inputs[0].shape[0] == 1 else found))

    def _without(self, op, name: str, axes: tuple[int, ...]) -> str | None:
        """What is left of a picture, where the axes that were summed up may be gone."""
        if op.get_attr("keep_dims"):
            return name
        sizes = [1 if a in axes else n for a, n in enumerate(op.inputs[0].shape.as_list())]
        _, height, width, channels = sizes
        whole = whole_axes("NHWC", channels, height, width)
        kept = tuple(axis for place, axis in enumerate(whole) if place not in axes)
        return self._seen(op, View(name, channels, height, width, axes=kept))

    def _mean_of_channels(self, op) -> str:
        """A 1x1 convolution with equal weights."""
        channels = op.inputs[0].shape[-1]
        if not op.get_attr("keep_dims"):
            raise self._unknown(op)
        values = {
            "kernel": np.full((1, 1, channels, 1), 1.0 / channels, np.float32),
            "bias": np.zeros(1, np.float32),
            "padding": "same",
            "dilation": (1, 1),
            "groups": 1,
        }
        return self._add(op, "convolution", op.inputs[:1], values, channels=1)

    # Values one by one.

    def _read_Square(self, op) -> str | None:
        return self._together(op, "multiply", [op.inputs[0]] * 2)

    def _read_SquaredDifference(self, op) -> str:
        if any(tensor in self.constants for tensor in op.inputs):
            raise self._unknown(op)
        first, second = op.inputs
        shapes = [tensor.shape.as_list() for tensor in op.inputs]
        if not self._spread_over(shapes):
            raise self._unknown(op)
        negative = self._add(
            op,
            "affine",
            [self._of(second)],
            affine_values(second.shape[-1], -1.0),
            channels=second.shape[-1],
        )
        difference = self._add(op, "add", [first, negative])
        return self._add(op, "multiply", [difference, difference])

    def _read_Sqrt(self, op) -> str | None:
        return self._add(op, "root", op.inputs)

    def _read_Erf(self, op) -> str | None:
        return self._add(op, "erf", op.inputs)

    def _read_Pow(self, op) -> str | None:
        if op.inputs[1] not in self.constants:
            raise self._unknown(op)
        return self._raised(op, self._number(op, op.inputs[1]))

    def _raised(self, op, exponent: float) -> str | None:
        if exponent == 2.0:
            return self._read_Square(op)
        if exponent == 0.5:
            return self._read_Sqrt(op)
        if exponent == 1.0:
            return self._of(op.inputs[0])
        return self._add(op, "power", op.inputs[:1], {"exponent": exponent})

    def _read_Erfc(self, op) -> str | None:
        """1 - erf(x)."""
        made = self._add(op, "erf", [self._of(op.inputs[0])])
        channels = self.network[made].channels
        return self._add(op, "affine", [made], affine_values(channels, -1.0, 1.0))
