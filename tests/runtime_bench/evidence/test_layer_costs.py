import json

import numpy as np
import pytest

from export.running.plan import Plan
from runtime_bench.evidence.layers import draw_layer, measure_layers
from sr_models.ground.errors import OptionError


def test_an_input_has_long_tails_and_a_seed():
    kernel, x = draw_layer(channels=3, height=40, width=50, seed=1)
    assert x.shape == (1, 40, 50, 3) and kernel.values.shape == (3, 3, 3, 3)
    assert np.abs(x).max() > 8.0 * np.quantile(x, 0.99)
    again = draw_layer(channels=3, height=40, width=50, seed=1)[1]
    np.testing.assert_array_equal(x, again)
    with pytest.raises(OptionError, match="found 0"):
        draw_layer(channels=0, height=4, width=4, seed=0)


def test_each_way_has_its_time_and_its_error():
    costs = {
        cost.layer: cost
        for cost in measure_layers(channels=4, height=24, width=20, plan=Plan(runs=5))
    }
    assert list(costs) == [
        "int8",
        "dual branch",
        "int16x8",
        "normalized int8",
        "codebook of 4 bits",
    ]
    assert json.dumps([cost.to_json() for cost in costs.values()])
    assert all(cost.median_ms > 0.0 and cost.size_bytes > 500 for cost in costs.values())
    error = {name: cost.relative_error for name, cost in costs.items()}
    assert error["int16x8"] < 0.2 * error["dual branch"] < 0.1 * error["int8"]
    assert error["normalized int8"] < error["codebook of 4 bits"]
    assert costs["normalized int8"].delegated == 1.0
