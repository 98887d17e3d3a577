"""What the tensors inside of a network hold, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import tf_keras

from sr_models.networks.graph import points


def watcher(model, names: Sequence[str]):
    """The same network, sharing its layers, that returns the tensors of the named points."""
    graph = points(model)
    return tf_keras.Model(model.input, [graph[name].tensor for name in names])


def tensors_of(
    model, names: Sequence[str], *, batches: Iterable[np.ndarray]
) -> Iterator[list[np.ndarray]]:
    """The tensors of the named points, for one batch after another.

    Args:
        model: Functional network.
        names: Names of points (`sr_models.networks.graph.points`).
        batches: Each float32 (N, h, w, 3) in 0..1.

    Yields:
        float32 (N, H, W, C) for each name.
    """
    network = watcher(model, names)
    for batch in batches:
        found = network(np.asarray(batch, np.float32), training=False)
        # Keras returns a lone tensor as it is, and a list of several.
        tensors = found if isinstance(found, (list, tuple)) else [found]
        yield [np.asarray(tensor) for tensor in tensors]
