import numpy as np
import pytest

from export.inspecting.audit import audit_model
from export.running.interpreters import open_model
from export.running.plan import Plan
from runtime_bench.evidence.forms import time_forms, write_forms
from sr_models.networks.presets import get_preset

pytestmark = pytest.mark.slow


def test_both_forms_are_the_same_function_in_other_operators(tmp_path):
    files = write_forms(get_preset("xlsr_x3"), tmp_path, height=24, width=32)
    ops = {form: audit_model(path).ops for form, path in files.items()}
    # Three grouped convolutions, or twelve small ones and three more concatenations.
    assert ops["train"]["CONV_2D"] == ops["deploy"]["CONV_2D"] + 9
    assert ops["train"]["CONCATENATION"] == ops["deploy"]["CONCATENATION"] + 3
    picture = np.random.default_rng(0).integers(-128, 128, (1, 24, 32, 3), dtype=np.int8)
    first, second = (
        open_model(path, delegate="builtin").run(picture).astype(int) for path in files.values()
    )
    assert np.abs(first - second).max() <= 2

    named, comparison = time_forms(files, threads=1, plan=Plan(runs=5, seconds=5))
    assert set(named) == {"train", "deploy"}
    assert comparison.low <= comparison.speedup <= comparison.high
