"""Outlier-aware fine-tuning on grids that int8 has: bounds learned without ground truth.

arXiv 2511.00682 fine-tunes the bounds of its quantizers, layer by layer as sensitive as they are,
against the float network (`sr_models.published.alternating`). Its grids in two regions are no
int8 ones; on one region per tensor, with 0 a code, and one bound for each channel's weights, the
same fine-tuning ends in a file of plain int8. That is our own reading, `"single"`; the published
ones are simulated.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from export.methods.tune import draw_patches
from export.quantizing.quantized_network import Evidence, QuantizedNetwork, clone
from export.quantizing.registry import register_method
from sr_models.ground.pictures import unit
from sr_models.networks.graph import quantized_points
from sr_models.networks.network import named_weights, set_named_weights
from sr_models.published.alternating import AlternatingTuner
from sr_models.published.dual_region import quantized_weights
from sr_models.published.outlier_student import (
    OutlierSettings,
    OutlierStudent,
    calibrated,
    outlier_student,
)
from sr_models.published.settings import PIXEL_BITS
from sr_models.published.student import with_centres_merged
from sr_models.published.tuning import TuningSettings
from sr_models.quantization.ranges import TensorRange
from sr_models.quantization.simulator import LARGEST_WEIGHT_CODE
from sr_models.quantization.weight_grids import with_weight_scales

PATCHES = 100
"""As many pictures as the released code tunes on."""
PATCH_SIZE = 48
BATCH = 16
INT8 = OutlierSettings(
    PIXEL_BITS, reading="single", placement="tensors", weight_grid="narrow", weight_start="largest"
)
"""Quantizers that an int8 file has."""
STATE = "outlier.npz"
"""Where `Evidence.run_dir` keeps how far tuning came."""


def tuned_student(
    model,
    pictures: np.ndarray,
    *,
    settings: OutlierSettings = INT8,
    epochs: int = 10,
    seed: int = 0,
    state_path: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> OutlierStudent:
    """The student of a float network, calibrated and fine-tuned.

    Args:
        model: Float functional network.
        pictures: float32 (N, h, w, 3) in 0..1, at least two.
        settings: How it is quantized.
        epochs: Of fine-tuning, each with one group of bounds; 0 for calibration alone.
        seed: Of the order, and of what is held back.
        state_path: See `AlternatingTuner`.
        on_progress: Called with the steps done, and their number.

    Raises:
        TrainingError: The loss is not finite, or the state is damaged or of another run.
    """
    batches = [pictures[i : i + BATCH] for i in range(0, len(pictures), BATCH)]
    student = calibrated(outlier_student(model, settings), model, batches=batches)
    tuning = TuningSettings(epochs=epochs, seed=seed)
    tuner = AlternatingTuner(
        student, model, pictures=pictures, settings=tuning, state_path=state_path
    )
    tuner.run(on_step=lambda step, total, loss: on_progress(step, total))
    return student


def learned_network(model, student: OutlierStudent) -> QuantizedNetwork:
    """Weights and ranges as a student of quantizers on tensors has learned them; pixels lack.

    Outputs of tanh and sigmoid have no range either: TFLite fixes their grids.
    """
    copy, scales, stored = clone(model), {}, set(quantized_points(model))
    set_named_weights(copy, with_centres_merged(named_weights(copy), student.model))
    for name, layer in student.convolutions.items():
        bound = layer.bound.numpy()
        kernel, *rest = copy.get_layer(name).get_weights()
        on_grid = quantized_weights(tf.constant(kernel), bound, bits=layer.bits, grid="narrow")
        copy.get_layer(name).set_weights([on_grid.numpy(), *rest])
        scales[name] = bound / LARGEST_WEIGHT_CODE
    ranges = {
        name: TensorRange(found.lower, found.upper)
        for name, found in student.regions().items()
        if name in stored
    }
    return QuantizedNetwork(with_weight_scales(copy, scales), ranges)


@register_method("outlier", stage="ranges", source="arXiv 2511.00682", alone=True)
def outlier(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Bounds of activations and weights, fine-tuned on what the float network gives."""
    pictures = unit(np.stack(evidence.pictures))
    patches = draw_patches(pictures, count=PATCHES, side=PATCH_SIZE, seed=evidence.seed)
    student = tuned_student(
        network.model,
        patches,
        seed=evidence.seed,
        on_progress=evidence.on_progress,
        state_path=evidence.run_dir and evidence.run_dir / STATE,
    )
    learned = learned_network(network.model, student)
    return QuantizedNetwork(learned.model, network.ranges.replacing(learned.ranges))
