import math

import pytest

from runtime_bench.comparing.gates import Gates, judge
from sr_models.ground.errors import OptionError

FACTS = {
    "psnr_drop_db": 0.05,
    "speedup": 1.3,
    "significant": True,
    "max_code_difference": 2,
    "clip_ops": [],
    "pixel_contract": True,
    "partitions": 1,
}


@pytest.mark.parametrize(
    ("asked", "passing", "failing"),
    [
        ({"max_psnr_drop_db": 0.05}, {}, {"psnr_drop_db": 0.0501}),
        ({"max_psnr_drop_db": 0.0}, {"psnr_drop_db": -0.4}, {"psnr_drop_db": math.nan}),
        ({"max_psnr_drop_db": -0.1}, {"psnr_drop_db": -0.2}, {"psnr_drop_db": 0.0}),
        ({"min_speedup": 1.3}, {}, {"speedup": 1.29}),
        ({"min_speedup": 1.1}, {}, {"significant": False}),
        ({"max_code_difference": 2}, {}, {"max_code_difference": 3}),
        ({"no_clip_ops": True}, {}, {"clip_ops": [{"op": "MINIMUM"}]}),
        ({"pixel_contract": True}, {}, {"pixel_contract": False}),
        ({"max_partitions": 1}, {}, {"partitions": 2}),
        ({"max_partitions": 1}, {}, {"partitions": 0}),
        ({"max_partitions": 2}, {"partitions": 2}, {"partitions": None}),
    ],
)
def test_each_gate_passes_and_fails(asked, passing, failing):
    (name,) = asked
    assert judge(Gates(**asked), {**FACTS, **passing}) == {name: True}
    assert judge(Gates(**asked), {**FACTS, **failing}) == {name: False}


@pytest.mark.parametrize("least", [0.9, 1.0])
def test_not_being_slower_needs_no_significance(least):
    facts = {"speedup": 1.0, "significant": False}
    assert judge(Gates(min_speedup=least), facts) == {"min_speedup": True}
    assert judge(Gates(min_speedup=1.0), {**facts, "speedup": 0.99}) == {"min_speedup": False}


def test_nothing_asked_nothing_judged():
    assert judge(Gates(), {}) == {}
    assert Gates().to_json() == {}


def test_all_gates_in_the_order_of_the_options():
    gates = Gates(0.1, 1.2, 3, no_clip_ops=True, pixel_contract=True, max_partitions=1)
    judged = judge(gates, FACTS)
    assert all(judged.values())
    assert (
        list(judged)
        == list(gates.to_json())
        == [
            "max_psnr_drop_db",
            "min_speedup",
            "max_code_difference",
            "no_clip_ops",
            "pixel_contract",
            "max_partitions",
        ]
    )


def test_a_gate_at_zero_is_still_a_gate():
    assert Gates(max_psnr_drop_db=0.0, max_code_difference=0).to_json() == {
        "max_psnr_drop_db": 0.0,
        "max_code_difference": 0,
    }


def test_only_two_gates_look_into_the_file():
    assert Gates(no_clip_ops=True).need_audit and Gates(pixel_contract=True).need_audit
    assert not Gates(max_psnr_drop_db=1.0, min_speedup=1.0, max_code_difference=1).need_audit


@pytest.mark.parametrize(
    "asked",
    [
        {"min_speedup": 0.0},
        {"min_speedup": -1.0},
        {"min_speedup": math.nan},
        {"max_code_difference": -1},
        {"max_partitions": 0},
    ],
)
def test_impossible_gates_are_refused(asked):
    with pytest.raises(OptionError, match="expected"):
        Gates(**asked)
