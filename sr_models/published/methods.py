"""The quantization methods under their names, with what they were published with.

All of them quantize the same convolutions (the body's; head and tail have 8 bits, or stay float
where the publication leaves them so), so their simulations can be compared. Each has two recipes:
`"default"`, with what we found better, and `"published"`, with the settings of paper or released
code; docs/quantizers.md has what differs and why.
"""

from __future__ import annotations

import numpy as np

from sr_models.published.alternating import AlternatingTuner
from sr_models.published.dfsq_student import DfsqSettings, dfsq_student
from sr_models.published.dual_region import level_count
from sr_models.published.outlier_student import OutlierSettings, calibrated, outlier_student
from sr_models.published.pams import steps_of
from sr_models.published.pams_student import pams_student, start_alphas
from sr_models.published.regions import BETTER
from sr_models.published.registry import CalibrationPictures, Simulation, register_quantizer
from sr_models.published.settings import PamsSettings
from sr_models.published.tuning import TuningSettings

PUBLISHED = "published"
_TUNED_ON = CalibrationPictures(count=100, high_side=384)
_PATCHES = CalibrationPictures(count=32, high_side=192)
_ONE_BATCH = CalibrationPictures(count=16, high_side=192)


@register_quantizer("minmax", source="the floor of arXiv 2511.00682's tables", pictures=_TUNED_ON)
def minmax(network, *, batches, bits, on_progress, recipe, **unused) -> Simulation:
    """Activations between averaged least and greatest values, weights up to the largest one."""
    reading = "affine" if recipe == PUBLISHED else "single"
    settings = OutlierSettings(bits, reading=reading, weight_start="largest")
    student = calibrated(outlier_student(network, settings), network, batches=batches)
    on_progress(1, 1)
    return Simulation("minmax", bits, level_count(bits, reading=reading), student.model)


@register_quantizer("pams", source="arXiv 2011.04212", pictures=_ONE_BATCH, trains=True)
def pams(network, *, batches, bits, on_progress, recipe, **unused) -> Simulation:
    """PAMS with alphas started and nothing trained.

    By default in the placement that integers can hold.
    """
    published = recipe == PUBLISHED
    settings = PamsSettings.published(bits) if published else PamsSettings(bits, edges=True)
    student = pams_student(network, settings, centred=True)
    start_alphas(student, network, pictures=batches, start=settings.alpha_start)
    on_progress(1, 1)
    ranges = None if published else student.ranges()
    return Simulation("pams", bits, 2 * steps_of(bits) + 1, student.model, ranges)


def _outlier_aware(
    name: str, reading: str, network, *, batches, bits, seed, epochs, recipe, **running
):
    if recipe == PUBLISHED:
        settings = OutlierSettings.published(bits, reading=reading)
        tuning = TuningSettings.published(epochs=epochs, seed=seed)
    else:
        settings = OutlierSettings(bits, reading=reading, weight_start=BETTER)
        tuning = TuningSettings(epochs=epochs, seed=seed)
    student = calibrated(outlier_student(network, settings), network, batches=batches)
    details = {"weight_start": student.settings.weight_start}
    if epochs:
        tuner = AlternatingTuner(
            student,
            network,
            pictures=np.concatenate(list(batches)),
            settings=tuning,
            state_path=running["state_path"],
        )
        on_progress = running["on_progress"]
        result = tuner.run(on_step=lambda step, total, loss: on_progress(step, total))
        details["tuning"] = result.to_json()
    levels = level_count(bits, reading=reading)
    return Simulation(name, bits, levels, student.model, details=details)


@register_quantizer("outlier-aware", source="arXiv 2511.00682, released code", pictures=_TUNED_ON)
def outlier_aware(network, **options) -> Simulation:
    """Dual regions as released, 2^(b+1) - 1 levels, fine-tuned without ground truth."""
    return _outlier_aware("outlier-aware", "released", network, **options)


@register_quantizer(
    "outlier-aware-budgeted", source="arXiv 2511.00682, within 2^b codes", pictures=_TUNED_ON
)
def outlier_aware_budgeted(network, **options) -> Simulation:
    """Dual regions that share 2^b - 1 levels, fine-tuned without ground truth."""
    return _outlier_aware("outlier-aware-budgeted", "budgeted", network, **options)


@register_quantizer("dfsq", source="arXiv 2305.05888", pictures=_PATCHES)
def dfsq(network, *, batches, bits, seed, on_progress, recipe, **unused) -> Simulation:
    """Channels normalized per picture, on points of their own; head and tail stay float."""
    published = recipe == PUBLISHED
    settings = (DfsqSettings.published if published else DfsqSettings)(bits, seed=seed)
    student = dfsq_student(network, settings, batches=batches, on_layer=on_progress)
    return Simulation("dfsq", bits, 2**bits, student.model)
