"""Whether a rebuilt network answers as its source does, by running the source itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from sr_models.ground.errors import NetworkError
from sr_models.ground.pictures import unit
from sr_models.importing.ends import of_outputs
from sr_models.importing.foreign_graph import ForeignGraph, ForeignNetwork
from sr_models.importing.frozen_graph import FrozenGraph, first_line, freeze
from sr_models.importing.output_rounding import OutputRounding
from sr_models.networks.pixel_range import PixelRange

_EXACT = 1 / 2550  # a tenth of a code
_LOST = 12.0
"""Codes of 255 between a file of integers and its real numbers, on average, beyond all rounding."""
_STEPS = 16
"""Rounding errors of half precision that may add up in one pixel, of white."""


@dataclass(frozen=True)
class Source:
    """What can be run of a network's source.

    Attributes:
        run: The source itself, of one picture tensor; `None` where it cannot be run.
        dtype: Type of its input.
        reason: Why it cannot be run, as a clause.
        what: What is run.
        is_read_from: Whether the network was read from its data, rather than traced as it runs.
        is_lossy: Whether it computes on integers, which the network that was read does not.
    """

    run: Callable | None = None
    dtype: str = "float32"
    reason: str = ""
    what: str = "the source itself"
    is_read_from: bool = False
    is_lossy: bool = False

    def of_output(self, names: Sequence[str], place: int) -> Source:
        """The same of one of its outputs."""
        return self if self.run is None else replace(self, run=of_outputs(self.run, names, place))

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Run it on a batch of pictures."""
        values = tf.cast(tf.constant(batch), self.dtype)
        return np.asarray(tf.nest.flatten(self.run(values))[0], np.float32)


@dataclass(frozen=True)
class SourceCheck:
    """What came of holding a rebuilt network against its source.

    Attributes:
        ran: Whether the source itself was run.
        against: What was run of it.
        difference: The most that a pixel differed, of 255; `None` where it was not run.
        reason: Why it was not run.
        rounding: How the source rounds what the rebuilt network does not, as a clause.
        average: What a pixel differed on average, of 255, where the source computes on integers.
    """

    ran: bool
    against: str = ""
    difference: float | None = None
    reason: str = ""
    rounding: str = ""
    average: float | None = None

    def __str__(self) -> str:
        if not self.ran:
            return f"not checked against the source: {self.reason}"
        average = "" if self.average is None else f", {self.average:.2g} on average"
        beside = f", since the source {self.rounding}" if self.rounding else ""
        return (
            f"checked against {self.against}, which was run: pixels differ by at most "
            f"{self.difference:.2g} of 255{average}{beside}"
        )

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "checked_against_source": self.ran,
            "checked_against": self.against or None,
            "largest_difference_of_255": self.difference,
            "average_difference_of_255": self.average,
            "not_checked_because": self.reason or None,
            "source_rounds": self.rounding or None,
        }


@dataclass(frozen=True)
class Comparison:
    """A rebuilt network and what may lie between it and its source.

    Attributes:
        network: The Keras model, on pixels of 0..1.
        white: What black and white are for the source.
        rounding: How the source rounds its answer.
    """

    network: Any
    white: PixelRange
    rounding: OutputRounding

    def require_equal(self, answer: Callable, picture: np.ndarray, *, slack: float = 0.0) -> float:
        """How far an answer to a picture is from the rebuilt network's, in 0..1.

        Args:
            answer: float32 pixels as the source takes them -> what it makes of them.
            picture: uint8 (h, w, C).
            slack: What may be between them beside rounding.

        Raises:
            NetworkError: More than rounding explains, or NaN.
        """
        above, slack = self.differences(answer, picture), slack + _EXACT
        span = self.white.output - self.white.output_black
        low, high = -self.rounding.below / span - slack, self.rounding.above / span + slack
        if not (low <= above.min() and above.max() <= high):
            raise NetworkError(
                f"expected the rebuilt network to answer as the given one, found pixels that "
                f"differ by {255.0 * np.abs(above).max():.3g} of 255; report the network"
            )
        return float(np.abs(above).max())

    def differences(self, answer: Callable, picture: np.ndarray) -> np.ndarray:
        """How far each value of an answer lies above the rebuilt network's, in 0..1.

        Raises:
            NetworkError: NaN or infinity.
        """
        white, pixels = self.white, unit(picture[None])
        expected = answer(pixels * (white.input - white.input_black) + white.input_black)
        if not np.isfinite(expected).all():
            raise NetworkError(
                "expected finite pixels, found NaN or infinity in what the network makes of a "
                "picture; train it again or take an earlier checkpoint"
            )
        span = white.output - white.output_black
        expected = np.clip((expected - white.output_black) / span, 0.0, 1.0)
        found = np.clip(np.asarray(self.network(pixels, training=False)), 0.0, 1.0)
        return expected - found


def check_source(
    comparison: Comparison,
    graph: FrozenGraph | ForeignGraph,
    source: Source,
    pictures: Sequence[np.ndarray],
) -> SourceCheck:
    """Hold a rebuilt network against what was read, and against the source itself.

    Args:
        comparison: The rebuilt network.
        graph: What was read of the source, for one size.
        source: What can be run of it.
        pictures: uint8 (h, w, C); the first of that size, the others of more sizes that the source
            takes.

    Raises:
        NetworkError: They differ by more than rounding explains.
    """
    comparison.require_equal(_rounded_input(graph, graph.input.dtype), pictures[0])
    if source.run is None:
        return SourceCheck(False, reason=source.reason)
    step, source = graph.step, _unrounded(source) if graph.rounds else source
    if source.is_read_from:
        own = freeze(source.run, (1, *pictures[0].shape), dtype=source.dtype)
        comparison.require_equal(_rounded_input(own, own.input.dtype), pictures[0])
        step = max(step, own.step)
    answer, most = _rounded_input(source, tf.as_dtype(source.dtype)), 0.0
    if source.is_lossy:
        return _check_lossy(comparison, source, pictures[0])
    for place, picture in enumerate(pictures):
        try:
            found = comparison.require_equal(answer, picture, slack=_STEPS * step)
        except NetworkError:
            raise
        except Exception as error:  # Whatever the user's own code raises.
            if place:
                continue  # A network may take one size alone and not say so.
            return SourceCheck(False, reason=f"it fails when it is run ({first_line(error)})")
        most = max(most, found)
    rounds = [comparison.rounding.text, "computes in half precision" if step else ""]
    rounding = " and ".join(filter(None, rounds))
    return SourceCheck(True, source.what, 255.0 * most, rounding=rounding)


def _check_lossy(comparison: Comparison, source: Source, picture: np.ndarray) -> SourceCheck:
    """Say how far a source of integers is from what was read of it.

    Raises:
        NetworkError: So far that they are two networks.
    """
    try:
        apart = np.abs(comparison.differences(source, picture))
    except NetworkError:
        raise
    except Exception as error:  # Whatever a runtime raises.
        return SourceCheck(False, reason=f"it fails when it is run ({first_line(error)})")
    average, most = (255.0 * float(found) for found in (apart.mean(), apart.max()))
    if average > _LOST:
        raise NetworkError(
            f"expected the integers of the file to be near to what they stand for, found pixels "
            f"that differ by {average:.3g} of 255 on average; give the float network"
        )
    rounding = "computes on integers"
    return SourceCheck(True, source.what, most, rounding=rounding, average=average)


def _unrounded(source: Source) -> Source:
    """The source without the rounding of its tensors to grids that it was trained for."""

    def run(values):
        return freeze(source.run, tuple(values.shape), dtype=source.dtype)(values)

    own = source.run if isinstance(source.run, ForeignNetwork) else run
    return replace(source, run=own, what=f"{source.what} without the rounding of its tensors")


def _rounded_input(answer: Callable, dtype: tf.DType) -> Callable:
    """An answer of pixels that are whole where a network takes integers."""
    return lambda values: answer(np.rint(values) if dtype.is_integer else values)
