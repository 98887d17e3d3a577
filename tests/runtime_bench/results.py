"""Results as verbs make them, of files that never ran."""

from __future__ import annotations

from export.running.statistics import summarize
from runtime_bench.measuring.latency import Latency
from runtime_bench.measuring.quality import ImageQuality, QualityResult
from sr_models.ground.metrics import Quality


def latency(model="out/new.tflite", samples=(1.0, 2.0, 3.0), delegation=None):
    return Latency(
        model=model,
        sha256="0" * 64,
        size_bytes=1000,
        delegate="xnnpack",
        threads=2,
        runtime="fake 1.0",
        input_shape=(1, 4, 4, 3),
        samples_ms=samples,
        summary=summarize(samples),
        init_ms=0.5,
        first_ms=9.0,
        delegation=delegation,
    )


def rated(model="out/new.tflite", rgb_db=30.0, dataset="Set5"):
    raw, dequantized = Quality(rgb_db, 31.234, 0.91239), Quality(33.0, 34.0, 0.95)
    return QualityResult(model, dataset, 3, "xnnpack", (ImageQuality("a", raw, dequantized),))
