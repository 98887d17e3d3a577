"""Where a training runs: one device, several of one machine, or several machines.

The work is TensorFlow's own (`tf.distribute`): every replica takes its rows of each batch, and the
gradients are added up. A batch is the same whatever number of replicas shares it, so a run may go
on with more or fewer of them and yields the same weights but for the order of additions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sr_models.ground.errors import OptionError, TrainingError, require_known

DISTRIBUTIONS = ("auto", "none", "mirrored", "multi-worker")
CLUSTER_VARIABLE = "TF_CONFIG"
WORKER_ROLES = ("chief", "worker")


@dataclass(frozen=True)
class Cluster:
    """What `TF_CONFIG` says: the machines of a run and which one this process is.

    Attributes:
        workers: Addresses `host:port`, the chief first where one is named.
        index: Which of them this process is.
    """

    workers: tuple[str, ...]
    index: int


def read_cluster(text: str) -> Cluster:
    """The cluster in a `TF_CONFIG` text.

    The form is that of TensorFlow's guide "Multi-worker training with Keras":
    `{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}`.

    Raises:
        OptionError: The text is no such object, or the task is not in the cluster.
    """
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        addresses = {role: [str(a) for a in cluster.get(role, [])] for role in WORKER_ROLES}
        role, index = str(task["type"]), int(task["index"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(
            f"expected {CLUSTER_VARIABLE} with a cluster and a task, found {text[:80]!r}; give for "
            'example {"cluster": {"worker": ["a:1", "b:1"]}, '
            '"task": {"type": "worker", "index": 0}}'
        ) from error
    if role not in WORKER_ROLES or not 0 <= index < len(addresses[role]):
        raise OptionError(
            f"expected a task of the cluster in {CLUSTER_VARIABLE}, found {role} {index} where "
            f"there are {len(addresses['chief'])} chiefs and {len(addresses['worker'])} workers; "
            "give type worker and an index from 0"
        )
    workers = (*addresses["chief"], *addresses["worker"])
    return Cluster(workers, index if role == "chief" else index + len(addresses["chief"]))


class Distribution:
    """A strategy of TensorFlow and this process's place in it.

    Args:
        kind: `"auto"` (several machines where `TF_CONFIG` is set, else all GPUs where there are
            several, else one device), `"none"`, `"mirrored"` (all GPUs of this machine, or all
            logical CPUs where there is none) or `"multi-worker"`.

    Raises:
        OptionError: No such kind, or `TF_CONFIG` is missing or senseless.
    """

    def __init__(self, kind: str = "auto"):
        import tensorflow as tf

        require_known("a distribution", kind, DISTRIBUTIONS)
        config = os.environ.get(CLUSTER_VARIABLE, "")
        if kind == "multi-worker" and not config:
            raise OptionError(
                f"expected the cluster in the variable {CLUSTER_VARIABLE}, found none; set it, or "
                "give another --distribution"
            )
        if kind == "auto":
            gpus = len(tf.config.list_logical_devices("GPU")) if not config else 0
            kind = "multi-worker" if config else "mirrored" if gpus > 1 else "none"
        self.kind = kind
        if kind == "multi-worker":
            cluster = read_cluster(config)
            self.workers, self.index = len(cluster.workers), cluster.index
            self.strategy = tf.distribute.MultiWorkerMirroredStrategy()
        else:
            self.workers, self.index = 1, 0
            self.strategy = (
                tf.distribute.MirroredStrategy(_local_devices())
                if kind == "mirrored"
                else tf.distribute.get_strategy()
            )
        self.replicas = self.strategy.num_replicas_in_sync

    @property
    def is_chief(self) -> bool:
        """Whether this process writes what the run yields: exactly one does."""
        return self.index == 0

    def local_batch_size(self, batch_size: int) -> int:
        """Rows of a batch for one replica; raises `OptionError` where they can't be even."""
        if batch_size % self.replicas:
            raise OptionError(
                f"expected a batch size that {self.replicas} replicas can share evenly, found "
                f"{batch_size}; give for example "
                f"--batch-size {self.replicas * max(1, round(batch_size / self.replicas))}"
            )
        return batch_size // self.replicas

    def agreed(self, value: float) -> float:
        """The chief's `value`, on every worker; all of them must ask."""
        if self.workers == 1:
            return value
        return self.mean(value * self.workers if self.is_chief else 0.0)

    def mean(self, value: float) -> float:
        """The mean of `value` over the workers; all of them must ask."""
        import tensorflow as tf

        if self.workers == 1:
            return value

        @tf.function
        def reduced(number):
            return self.strategy.reduce(
                "MEAN", self.strategy.run(lambda n: n, (number,)), axis=None
            )

        return float(reduced(tf.constant(value, tf.float64)))

    @contextmanager
    def lost_workers_said(self, run_dir: str | Path) -> Iterator[None]:
        """Turn TensorFlow's errors about a worker that is gone into a `TrainingError`."""
        import tensorflow as tf

        try:
            yield
        except tf.errors.OpError as error:
            if self.workers == 1:
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
            raise TrainingError(
                f"expected all {self.workers} workers to go on, found one gone ({reason}); start "
                f"every worker again with the same command to resume from the last checkpoint in "
                f"{run_dir}"
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Kind and sizes, for logs and cards."""
        return {"kind": self.kind, "workers": self.workers, "replicas": self.replicas}


def _local_devices() -> list[str]:
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in devices]
