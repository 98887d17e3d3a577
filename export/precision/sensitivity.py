"""What quantizing one layer alone costs, layer by layer.

Simulated: everything else stays in float. The signal is the float network's own output; no ground
truth is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import tf_keras

from representative_data.probe import stacked
from sr_models.ground.pictures import unit
from sr_models.networks.graph import INPUT, Point, points, rebuild, with_split_groups
from sr_models.quantization.fake_quantization import FakeQuantization
from sr_models.quantization.ranges import TensorRange, TensorRanges
from sr_models.quantization.simulator import SimulatedConvolution, SimulatedPrelu, stored_ranges


@dataclass(frozen=True)
class LayerSensitivity:
    """One layer, quantized alone.

    Fidelities are PSNR in dB of the network's output, saturated to [0, 1], against the float
    network's; infinite where nothing differs, or where a layer has nothing of the kind.

    Attributes:
        layer: Name of the layer.
        kind: Its type, e.g. `"Conv2D"`.
        weights_db: Fidelity with its weights in int8, per output channel.
        activation_db: Fidelity with what it writes in int8.
        both_db: Fidelity with both.
        share: Its squared error, with both, as a share of the sum over all layers, 0..1.
    """

    layer: str
    kind: str
    weights_db: float
    activation_db: float
    both_db: float
    share: float

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class _Part:
    """What can be quantized of a layer: its weights, and the point that it writes."""

    point: Point
    stored: str | None

    @property
    def has_weights(self) -> bool:
        return bool(self.point.layer.weights)


def measure_sensitivity(
    model,
    ranges: TensorRanges,
    pictures: Sequence[np.ndarray],
    *,
    on_layer: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> list[LayerSensitivity]:
    """Quantize each layer alone and compare outputs.

    Args:
        model: Float functional Keras network in its deployed form.
        ranges: A range for every tensor that an int8 file stores.
        pictures: uint8 (h, w, 3) of one size, natural, not seen in calibration.
        on_layer: Called with layers done, the total and what comes next.

    Returns:
        One row for each layer that computes, in order of execution.
    """
    batches = [unit(batch) for batch in stacked(pictures, model)]
    expected = [_answer(with_split_groups(model), batch) for batch in batches]
    grids = stored_ranges(model, ranges)
    parts = _parts(model, grids)
    errors: list[tuple[float, float, float]] = []
    for part in parts:
        on_layer(len(errors), len(parts), part.point.name)

        def error(weights: bool, activation: bool, part=part) -> float:
            if not (weights and part.has_weights) and not (activation and part.stored):
                return 0.0
            changed = with_split_groups(
                _quantized_alone(model, part, grids, weights=weights, activation=activation)
            )
            return _mean_square(changed, batches, expected)

        parted = error(True, False), error(False, True)
        errors.append((*parted, error(True, True) if all(parted) else sum(parted)))
    total = sum(both for *_, both in errors)
    return [
        LayerSensitivity(
            part.point.name,
            type(part.point.layer).__name__,
            *map(_fidelity_db, found),
            share=found[2] / total if total else 0.0,
        )
        for part, found in zip(parts, errors)
    ]


def most_sensitive(rows: Sequence[LayerSensitivity], count: int) -> list[str]:
    """Names of the layers that cost most, the worst first."""
    ordered = sorted(rows, key=lambda row: row.both_db)
    return [row.layer for row in ordered if math.isfinite(row.both_db)][:count]


def _answer(model, batch: np.ndarray) -> np.ndarray:
    return np.clip(model(batch, training=False).numpy(), 0.0, 1.0)


def _mean_square(model, batches, expected) -> float:
    squares = [
        float(np.square(_answer(model, batch) - wanted, dtype=np.float64).sum())
        for batch, wanted in zip(batches, expected)
    ]
    return sum(squares) / sum(wanted.size for wanted in expected)


def _fidelity_db(mean_square: float) -> float:
    return 10.0 * math.log10(1.0 / mean_square) if mean_square else math.inf


def _parts(model, grids: dict[str, TensorRange]) -> list[_Part]:
    graph, swallowed, found = points(model), set(), []
    for name, point in graph.items():
        if name == INPUT or name in swallowed or point.passes_through or point.repeats:
            continue
        stored = name if name in grids else None
        if stored is None and len(point.consumers) == 1 and point.consumers[0] in grids:
            # What is fused into the operator has no tensor between.
            stored = point.consumers[0]
            swallowed.add(stored)
        if stored or point.layer.weights:
            found.append(_Part(point, stored))
    return found


def _quantized_alone(model, part: _Part, grids, *, weights: bool, activation: bool):
    def replace_layer(layer):
        if not weights or layer is not part.point.layer:
            return layer
        if isinstance(layer, tf_keras.layers.PReLU):
            return SimulatedPrelu(layer)
        if type(layer) is tf_keras.layers.Conv2D:
            grid = grids.get(part.point.inputs[0])
            return SimulatedConvolution(layer, input_scale=grid.scale if grid else None)
        return layer

    def store(name, tensor):
        if not activation or name != part.stored:
            return tensor
        grid = grids[name]
        return FakeQuantization(grid.minimum, grid.maximum, grid.narrow, name="stored")(tensor)

    return rebuild(model, store, replace_layer=replace_layer)
