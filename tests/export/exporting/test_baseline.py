"""A file beside what people would ship: counted always, timed on request."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tf_keras

from export.exporting import baseline as clipped
from export.exporting.baseline import (
    BaselineCounts,
    BaselineSpeed,
    ClippedBaseline,
    answer_what_is_worse,
    baseline_of,
    measure_speed,
    stages_to_blame,
)
from export.exporting.conversion import convert_with_ranges
from export.exporting.settings import ExportSettings
from export.inspecting.audit import audit_model
from export.quantizing.quantized_network import observe
from export.quantizing.recipe import parse_recipe
from export.quantizing.registry import Method
from export.running.plan import Plan
from export.running.runtimes import Delegation
from export.running.statistics import compare_samples
from sr_models.ground.sizes import DYNAMIC, Size
from tests.networks import sharpening_network

PICTURE = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def baseline():
    return ClippedBaseline(sharpening_network(tail="clip"), PICTURE, "uint8")


def test_the_baseline_is_the_plain_file_with_its_clip(baseline):
    content = baseline.file(Size(16, 24))
    assert audit_model(content).ops == {
        "CONV_2D": 1,
        "DEPTH_TO_SPACE": 1,
        "MINIMUM": 1,
        "QUANTIZE": 2,
        "RELU": 1,
    }
    found = baseline.delegation
    # The two ends of uint8 and the clip between them; convolution and depth-to-space are taken.
    assert found.left_behind == ("QUANTIZE", "MINIMUM", "RELU", "QUANTIZE")
    assert (found.partitions, found.delegated_nodes) == (1, 2)


@pytest.mark.parametrize("choices", [{"precision": "float32"}, {"tail": "clip"}])
def test_a_file_that_has_a_clip_or_floats_has_no_baseline(choices):
    assert baseline_of(pytest.fail, PICTURE, ExportSettings(**choices)) is None


def delegation(partitions, *left):
    return Delegation(10, 10 + len(left), partitions, left)


def test_more_partitions_or_more_operators_left_are_worse():
    plain = delegation(1, "QUANTIZE", "MINIMUM", "RELU", "QUANTIZE")
    assert delegation(1, "QUANTIZE", "QUANTIZE").worse_than(plain) == ()
    assert plain.worse_than(plain) == ()
    cut = delegation(3, "QUANTIZE", "PRELU", "PRELU", "RELU", "QUANTIZE")
    assert cut.worse_than(plain) == (
        "3 partitions instead of 1",
        "5 operators left to the CPU instead of 4, 2 PRELU more",
    )
    # A file without any partition is left to the CPU whole: that shows in what is left.
    nothing = Delegation(0, 5, 0, ("CONV_2D",) * 5)
    assert nothing.worse_than(plain) == (
        "5 operators left to the CPU instead of 4, 5 CONV_2D more",
    )


def test_counts_in_words_and_as_data():
    plain = delegation(1, "QUANTIZE", "MINIMUM", "RELU", "QUANTIZE")
    counts = BaselineCounts(plain, delegation(2, "QUANTIZE", "PRELU", "QUANTIZE"))
    assert str(counts) == (
        "2 partitions, 3 of 13 operators left to the CPU; "
        "clipped baseline: 1 partition, 4 of 14 operators left to the CPU"
    )
    assert counts.to_json() == {
        "delegation": plain.to_json(),
        "worse": ["2 partitions instead of 1"],
        "blamed": [],
        "left_out": [],
    }
    assert str(replace(counts, left_out=("relus",))).endswith("; relus left out")
    unknown = BaselineCounts(None, None)
    assert (str(unknown), unknown.worse) == ("not counted", ())
    assert unknown.to_json()["delegation"] is None


def cutting(network, evidence):
    """A stage that puts an operator into the network which XNNPACK does not take."""
    model = network.model
    picture = tf_keras.Input(model.input.shape[1:], name="input")
    bent = tf_keras.layers.PReLU(
        tf_keras.initializers.Constant([[[1.0, 0.5, 0.25]]]), shared_axes=[1, 2], name="bent"
    )
    return observe(tf_keras.Model(picture, model(bent(picture))), evidence)


@pytest.fixture
def with_a_slow_stage(monkeypatch):
    """The recipe `cfqp+slow+split`, whose stage `slow` leaves an operator to the CPU."""
    slow = Method("slow", "network", "for tests", "", cutting, changes_layers=True)
    recipe = parse_recipe("cfqp+split")
    made = replace(recipe, methods=(slow, *recipe.methods))
    monkeypatch.setattr(
        clipped, "parse_recipe", lambda name: made if "slow" in name else parse_recipe(name)
    )
    return made


@pytest.mark.slow
def test_the_stage_that_leaves_an_operator_to_the_cpu_is_blamed(
    with_a_slow_stage, sharpening, evidence
):
    plain = delegation(1, "QUANTIZE", "QUANTIZE")
    blamed = stages_to_blame(sharpening, with_a_slow_stage, evidence, plain, io="uint8")
    assert blamed == ("slow",)
    # Where nothing that is left out helps, nothing is blamed.
    unreachable = delegation(1)
    assert stages_to_blame(sharpening, with_a_slow_stage, evidence, unreachable, io="uint8") == ()


@pytest.mark.slow
@pytest.mark.parametrize("named", [False, True])
def test_it_is_left_out_where_nobody_has_named_it(named, with_a_slow_stage, sharpening, evidence):
    network = with_a_slow_stage.apply(sharpening, evidence)
    content = convert_with_ranges(
        network.model, network.ranges, sample=PICTURE, height=16, width=24
    )
    counts = BaselineCounts(delegation(1, "QUANTIZE", "QUANTIZE"), None).of(content)
    assert counts.worse == ("3 operators left to the CPU instead of 2, 1 PRELU more",)
    settings = ExportSettings(**({"method": "cfqp"} if named else {}))
    found, note, recipe = answer_what_is_worse(counts, sharpening, network, evidence, settings)
    assert note.startswith("worse than the clipped baseline: ")
    assert found.blamed == ("slow",)
    if named:
        assert recipe is None and found.left_out == ()
        assert note.endswith("; to blame is slow of --method")
    else:
        assert str(recipe) == "cfqp+split" and found.left_out == ("slow",)
        assert note.endswith("; to blame is slow, which is left out")


def test_a_precision_that_xnnpack_does_not_take_is_to_blame_itself(sharpening, evidence):
    counts = BaselineCounts(delegation(1), delegation(1, "CONV_2D"))
    settings = ExportSettings(precision="int16x8")
    found, note, recipe = answer_what_is_worse(counts, sharpening, None, evidence, settings)
    assert recipe is None and found == counts and "--precision" in note


@pytest.mark.slow
def test_both_files_are_timed_in_the_same_rounds(baseline):
    size = Size(16, 24)
    found = measure_speed(baseline.file(size), baseline, size, plan=Plan(runs=9, warmup=1))
    assert found.runs == 9 and found.baseline_ms > 0.0 and found.file_ms > 0.0
    data = json.loads(json.dumps(found.to_json()))
    assert (data["height"], data["width"], data["threads"], data["runs"]) == (16, 24, 1, 9)
    assert data["verdict"] in ("faster", "slower", "no difference shown")


def test_a_file_for_any_size_is_timed_at_that_of_the_picture(baseline):
    content = baseline.file(Size(16, 24))
    found = measure_speed(content, baseline, DYNAMIC, plan=Plan(runs=5, warmup=0))
    assert found.size == Size(16, 24)


@pytest.mark.parametrize(
    ("times_ms", "slower", "verdict"),
    [
        (np.linspace(20.0, 20.1, 25), True, "slower"),
        (np.linspace(5.0, 5.1, 25), False, "faster"),
        (np.linspace(10.0, 10.1, 25), False, "no difference shown"),
    ],
)
def test_only_what_is_shown_to_be_slower_is_slower(times_ms, slower, verdict):
    before = np.linspace(10.0, 10.1, 25)
    found = BaselineSpeed(
        Size(16, 24), 10.05, float(np.median(times_ms)), compare_samples(before, times_ms), 25
    )
    assert found.slower is slower
    assert str(found).endswith(verdict) and "at 16x24" in str(found)
