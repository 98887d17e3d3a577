"""The state of a training run besides its optimizers: averaged weights, and checkpoints of it all.

The averages are what a run validates and ships. Of the checkpoints the newest whole one is found,
and none is lost to a bad one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sr_models.ground.errors import OutputError, TrainingError


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


class CheckpointFolder:
    """A folder of TensorFlow checkpoints by step, of which the last two are kept.

    Args:
        folder: Where they are; made by the first `save`.
        contents: What is saved, as keywords of `tf.train.Checkpoint`.
    """

    def __init__(self, folder: Path, **contents):
        import tensorflow as tf

        self.folder = folder
        self._checkpoint = tf.train.Checkpoint(**contents)
        try:
            self._manager = self._new_manager()
        except ValueError:
            # Its list of checkpoints is damaged, which costs nothing: the folder itself is asked.
            (folder / "checkpoint").unlink()
            self._manager = self._new_manager()

    def _new_manager(self):
        import tensorflow as tf

        return tf.train.CheckpointManager(self._checkpoint, str(self.folder), max_to_keep=2)

    def newest(self) -> Path | None:
        """The newest checkpoint, without a suffix, or `None`."""
        # The folder is asked and not TensorFlow's own list of it, which may name deleted files
        # and, where it is damaged itself, would let a run begin again without a word. The index
        # is the last file of a checkpoint to be written.
        steps = [
            int(path.stem.removeprefix("ckpt-"))
            for path in self.folder.glob("ckpt-*.index")
            if path.stem.removeprefix("ckpt-").isdigit()
        ]
        return self.folder / f"ckpt-{max(steps)}" if steps else None

    def restore(self, checkpoint: Path) -> None:
        """Give every variable its saved value; raises `TrainingError` for a damaged file."""
        import tensorflow as tf

        try:
            self._checkpoint.restore(str(checkpoint)).assert_consumed()
        except (
            AssertionError,
            LookupError,
            RuntimeError,
            ValueError,
            tf.errors.OpError,
        ) as error:
            # AssertionError: variables are missing. ValueError: of another shape. The others are
            # what TensorFlow's reader makes of broken, short and absent files.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
            # Else it goes on to list every variable not restored, when the process ends.
            tf.get_logger().setLevel("ERROR")
            raise TrainingError(
                f"expected a whole checkpoint, found a damaged one: {checkpoint} ({reason}); "
                f"delete {checkpoint}.* to resume from the one before"
            ) from error

    def save(self, step: int) -> None:
        """Write a checkpoint; raises `OutputError`, with the one before kept."""
        import tensorflow as tf

        try:
            self._manager.save(checkpoint_number=step)
        except (OSError, tf.errors.OpError) as error:
            reason = str(error).split("; ")[-1].splitlines()[0][:120].lower()
            raise OutputError(
                f"expected to write a checkpoint to {self.folder}, found: {reason}; the one "
                "before is kept: make room and run the same command again to resume"
            ) from error
