"""Moving averages of the weights, which are what a run keeps and validates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


def decay_at(step, *, limit: float):
    """How much of an average stays: little at first, as averages start as the weights themselves.

    Args:
        step: Optimizer steps done, a tensor or a number.
        limit: The full decay, which is reached once.
    """
    import tensorflow as tf

    count = tf.cast(step, tf.float32)
    return tf.minimum(limit, (1.0 + count) / (10.0 + count))


class WeightAverages:
    """An average for each variable; to be made in the scope of the strategy that trains them.

    Attributes:
        variables: What is averaged.
        values: The averages, in the same order.
    """

    def __init__(self, variables: Sequence):
        import tensorflow as tf

        self.variables = variables
        self.values = [tf.Variable(v, trainable=False) for v in variables]

    def start(self) -> None:
        """Begin with the weights as they are."""
        for average, variable in zip(self.values, self.variables):
            average.assign(variable)

    def follow(self, strategy, *, decay) -> None:
        """Move towards the weights, on every replica of a strategy."""

        def moved(average, variable):
            average.assign(decay * average + (1.0 - decay) * variable)

        for average, variable in zip(self.values, self.variables):
            strategy.extended.update(average, moved, args=(variable,))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The averages in place of the weights, for a while."""
        current = [v.numpy() for v in self.variables]
        for variable, average in zip(self.variables, self.values):
            variable.assign(average)
        try:
            yield
        finally:
            for variable, value in zip(self.variables, current):
                variable.assign(value)
