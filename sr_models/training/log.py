"""What a training run tells: a line and scalars at each validation, and its result at last."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sr_models.ground.files import output_error

PATIENCE = "patience"
"""What `TrainingResult.stopped_by` says of a run that gained nothing any more."""


@dataclass(frozen=True)
class TrainingResult:
    """What a training run yielded.

    Attributes:
        weights: The best weights by validation, deployed form.
        best_step: The step they were taken at.
        validation_psnr_db: Their PSNR (RGB, all held-back crops pooled) in dB.
        steps: Steps done.
        loss: Mean training loss over the last validation interval.
        seconds: Time of this process's part of the run.
        stopped_by: Why the run ended before its last step: the name of a signal, `"patience"`,
            or `None`.
    """

    weights: Path
    best_step: int
    validation_psnr_db: float
    steps: int
    loss: float
    seconds: float
    stopped_by: str | None

    @property
    def was_interrupted(self) -> bool:
        """Whether the run shall go on another time."""
        return self.stopped_by not in (None, PATIENCE)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "weights": str(self.weights)}


class TrainingLog:
    """Writes `log.jsonl` and `tensorboard/` in a run folder, from the first entry on.

    Args:
        run_dir: Folder of the run.
    """

    def __init__(self, run_dir: Path):
        self._path = run_dir / "log.jsonl"
        self._events = run_dir / "tensorboard"
        self._writer = None

    def write(self, step: int, **values: float) -> None:
        """Add the values at a step; raises `OutputError`."""
        import tensorflow as tf

        try:
            with self._path.open("a") as log:
                log.write(json.dumps({"step": step, **values}) + "\n")
            if self._writer is None:
                self._writer = tf.summary.create_file_writer(str(self._events))
            with self._writer.as_default(step=step):
                for name, value in values.items():
                    tf.summary.write(name, tf.constant(value, tf.float32), metadata=_scalar())
            self._writer.flush()
        except OSError as error:
            raise output_error(self._path, error) from error
        except tf.errors.OpError as error:
            raise output_error(self._events, OSError(str(error).splitlines()[0])) from error

    def last_loss(self) -> float:
        """The loss of the last entry, NaN without one."""
        # From the file, since a run that was complete already does no step of its own.
        try:
            lines = self._path.read_text().splitlines()
            return float(json.loads(lines[-1])["loss"])
        except (OSError, ValueError, LookupError, TypeError):
            return math.nan


def _scalar():
    # What `tf.summary.scalar` writes; that function itself needs the package tensorboard, which
    # only a reader of the log needs.
    import tensorflow as tf

    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "scalars"
    metadata.data_class = 1  # DATA_CLASS_SCALAR of TensorFlow's summary.proto
    return metadata
