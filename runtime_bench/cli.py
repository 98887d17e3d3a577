"""The command `sr-bench`: latency, quality, comparison and reports of `.tflite` files.

Each verb stands in a file of `runtime_bench.verbs`; those that measure this project are studies of
`runtime_bench.evidence`, behind the verb `evidence`.
"""

from __future__ import annotations

from runtime_bench.evidence.methods import methods
from runtime_bench.verbs import evidence
from runtime_bench.verbs.drop import drop
from runtime_bench.verbs.files import compare, quality
from runtime_bench.verbs.latency import latency
from runtime_bench.verbs.pages import demo, report
from runtime_bench.verbs.phones import android
from runtime_bench.verbs.pictures import upscale
from runtime_bench.verbs.targets import targets
from sr_models.ground.console import new_app, run

app = new_app("Measure .tflite files: how long they take, and how good their pictures are.")
for verb in (latency, quality, compare, drop, methods, upscale, android, targets, report, demo):
    app.command()(verb)
app.add_typer(evidence.app, name="evidence")


def main() -> None:
    """Entry point of `sr-bench`."""
    run(app)


if __name__ == "__main__":
    main()
