"""How long a `.tflite` file takes, how good its pictures are, and whether a new file is better.

Start with `assert_no_regression`, which holds a new file against an old one in a test.
"""

from sr_models.ground.lazy import public_names

_MODULES = {
    "Gates": "runtime_bench.comparing.gates",
    "Plan": "export.running.plan",
    "assert_no_regression": "runtime_bench.comparing.regression",
    "compare_files": "runtime_bench.comparing.comparison",
    "measure_file": "runtime_bench.measuring.quality",
    "measure_latency": "runtime_bench.measuring.latency",
    "upscale_pictures": "runtime_bench.upscaling.run",
}
__all__ = list(_MODULES)
__getattr__, __dir__ = public_names(__name__, _MODULES)
