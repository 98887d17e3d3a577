"""The command `sr-bench`: latency, quality, comparison and reports of `.tflite` files.

Its verbs stand in `cli_files`, `cli_latency`, `cli_networks`, `cli_pages`, `cli_phones`,
`cli_pictures`, `cli_quantization` and `cli_trust`, by what they are about.
"""

from __future__ import annotations

from runtime_bench.verbs.files import compare, quality
from runtime_bench.verbs.latency import latency
from runtime_bench.verbs.methods import layers, methods
from runtime_bench.verbs.networks import forms, models, training
from runtime_bench.verbs.pages import demo, report
from runtime_bench.verbs.phones import android
from runtime_bench.verbs.pictures import upscale
from runtime_bench.verbs.quantization import calibration, drop, precision
from runtime_bench.verbs.trust import overhead, trust, twins
from sr_models.ground.console import new_app, run

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
