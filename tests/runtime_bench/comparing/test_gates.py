import math
import types

import pytest

from runtime_bench.comparing.gates import GATES, Gates
from sr_models.ground.errors import OptionError


def audit(clip_ops=(), holds=True):
    contract = types.SimpleNamespace(holds=holds, reasons=("made up",))
    return types.SimpleNamespace(clip_ops=clip_ops, pixel_contract=contract)


FACTS = {
    "psnr_drop_db": 0.05,
    "speedup": 1.3,
    "significant": True,
    "max_code_difference": 2,
    "audit": audit(),
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
        ({"no_clip_ops": True}, {}, {"audit": audit(["MINIMUM"])}),
        ({"pixel_contract": True}, {}, {"audit": audit(holds=False)}),
        ({"max_partitions": 1}, {}, {"partitions": 2}),
        ({"max_partitions": 1}, {}, {"partitions": 0}),
        ({"max_partitions": 2}, {"partitions": 2}, {"partitions": None}),
    ],
)
def test_each_gate_passes_and_fails(asked, passing, failing):
    (name,) = asked
    assert Gates(**asked).judge({**FACTS, **passing}) == {name: True}
    assert Gates(**asked).judge({**FACTS, **failing}) == {name: False}


@pytest.mark.parametrize("least", [0.9, 1.0])
def test_not_being_slower_needs_no_significance(least):
    facts = {"speedup": 1.0, "significant": False}
    assert Gates(min_speedup=least).judge(facts) == {"min_speedup": True}
    assert Gates(min_speedup=1.0).judge({**facts, "speedup": 0.99}) == {"min_speedup": False}


def test_nothing_asked_nothing_judged():
    assert Gates().judge({}) == {}
    assert Gates().to_json() == {}


def test_all_gates_in_the_order_of_the_options():
    limits = (0.1, 1.2, 3, True, True, 1)
    gates = Gates(**{gate.name: limit for gate, limit in zip(GATES, limits)})
    judged = gates.judge(FACTS)
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


def test_what_is_not_met_is_said_with_its_reasons():
    facts = {**FACTS, "audit": audit(["MINIMUM"]), "max_code_difference": 9}
    gates = Gates(no_clip_ops=True, pixel_contract=True, max_code_difference=2)
    assert gates.reasons(facts) == ("clip operator: MINIMUM",)
    assert gates.unmet(facts) == {
        "max_code_difference": "expected max_code_difference 2, found 9",
        "no_clip_ops": "expected no_clip_ops True, found clip operator: MINIMUM",
    }


def test_a_gate_is_one_record(monkeypatch, files):
    """A further record is an option of `compare` and a keyword of `assert_no_regression`."""
    import inspect

    from runtime_bench.comparing import gates
    from runtime_bench.comparing.regression import assert_no_regression
    from runtime_bench.verbs.files import with_gates

    smaller = gates.Gate(
        "max_size_ratio",
        float,
        "Gate: largest size.",
        passes=lambda limit, facts: (
            facts["candidate"].size_bytes <= limit * facts["baseline"].size_bytes
        ),
        found=lambda facts: f"{facts['candidate'].size_bytes} bytes",
    )
    monkeypatch.setattr(gates, "GATES", (*gates.GATES, smaller))
    monkeypatch.setattr("runtime_bench.verbs.files.GATES", gates.GATES)

    def verb(name: str, **limits):
        """A verb."""

    assert "max_size_ratio" in inspect.signature(with_gates(verb)).parameters
    assert_no_regression(files.clip_free, files.clip_free, max_size_ratio=1.0)
    with pytest.raises(AssertionError, match=r"max_size_ratio 0\.5, found \d+ bytes"):
        assert_no_regression(files.clip_free, files.clip_free, max_size_ratio=0.5)
