"""The command `sr-bench`: latency, quality, comparison and reports of `.tflite` files.

Its verbs stand in `cli_files`, `cli_latency`, `cli_networks`, `cli_pages`, `cli_phones`,
`cli_pictures`, `cli_quantization` and `cli_trust`, by what they are about.
"""

from __future__ import annotations

from runtime_bench.cli_files import compare, quality
from runtime_bench.cli_latency import latency
from runtime_bench.cli_methods import layers, methods
from runtime_bench.cli_networks import forms, models, training
from runtime_bench.cli_pages import demo, report
from runtime_bench.cli_phones import android
from runtime_bench.cli_pictures import upscale
from runtime_bench.cli_quantization import calibration, drop, precision
from runtime_bench.cli_trust import overhead, trust, twins
from sr_models.command import new_app, run

app = new_app("Measure .tflite files: how long they take, and how good their pictures are.")
VERBS = (
    latency,
    quality,
    compare,
    upscale,
    android,
    report,
    drop,
    methods,
    layers,
    precision,
    calibration,
    forms,
    training,
    models,
    demo,
    trust,
    overhead,
    twins,
)
for verb in VERBS:
    app.command()(verb)


def main() -> None:
    """Entry point of `sr-bench`."""
    run(app)


if __name__ == "__main__":
    main()
