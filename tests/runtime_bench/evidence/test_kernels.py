from types import SimpleNamespace

import pytest

from runtime_bench.evidence import kernels
from runtime_bench.evidence.kernels import OperatorCost, operator_costs, rank_correlation
from runtime_bench.measuring import profile
from tests.tiny_files import clipped_file


def cost(expected, measured):
    return OperatorCost("net", "CONV_2D", 0, 10, 0.0, expected, measured)


def test_the_correlation_is_that_of_ranks_not_of_times():
    """By hand: 1 where both sort alike, and 1 - 6 * 2 / (3 * 8) with two neighbours exchanged."""
    assert rank_correlation([cost(1.0, 1.0), cost(2.0, 50.0), cost(3.0, 51.0)]) == 1.0
    assert rank_correlation([cost(1.0, 5.0), cost(2.0, 4.0), cost(3.0, 9.0)]) == pytest.approx(0.5)


def test_an_operator_is_held_against_its_own_expectation(monkeypatch):
    content = clipped_file("MINIMUM", "RELU", "DEPTH_TO_SPACE")
    found = (
        SimpleNamespace(op="CONV_2D", index=0, median_ms=2.0),
        SimpleNamespace(op="Fused", index=None, median_ms=9.0),
        SimpleNamespace(op="MINIMUM", index=1, median_ms=1.0),
    )
    monkeypatch.setattr(
        profile, "profile_file", lambda path, plan: SimpleNamespace(operators=found)
    )
    convolution, clip = operator_costs("net", content, target="x86-avx2")
    assert convolution.useful > 0 and 0.0 <= convolution.waste_fraction < 1.0
    assert clip.useful == 0 and clip.waste_fraction is None and clip.cost > 0.0
    assert [c.median_ms for c in (convolution, clip)] == [2.0, 1.0]
    kernels._print([convolution, clip], peak=1.0, title="one")
