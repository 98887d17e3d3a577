"""The command `sr-bench`: latency, quality, comparison and reports of `.tflite` files.

Its verbs stand in `cli_files`, `cli_networks`, `cli_pages` and `cli_phones`, by what they are
given.
"""

from __future__ import annotations

from runtime_bench.cli_files import compare, latency, quality
from runtime_bench.cli_networks import calibration, drop, forms, models, training
from runtime_bench.cli_pages import demo, report
from runtime_bench.cli_phones import android
from sr_models.command import new_app, run

app = new_app("Measure .tflite files: how long they take, and how good their pictures are.")
VERBS = (
    latency, quality, compare, android, report, drop, calibration, forms, training, models, demo,
)  # fmt: skip
for verb in VERBS:
    app.command()(verb)


def main() -> None:
    """Entry point of `sr-bench`."""
    run(app)


if __name__ == "__main__":
    main()
