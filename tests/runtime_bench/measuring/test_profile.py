import numpy as np
import pytest

from export.running.interpreters import open_model
from export.running.plan import Plan
from runtime_bench.measuring.litert_profiler import Event, RecordedRun
from runtime_bench.measuring.profile import METHOD, operators_of, profile_file
from runtime_bench.measuring.usage import require_profiled
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.tflite.flatbuffer import read_graph


@pytest.fixture(scope="module")
def graph(files):
    return read_graph(files.clipped)


def outside(graph, **elapsed_us):
    """An event per operator of a file, none of them delegated."""
    return [Event(op.name, False, op.index, 10 * (op.index + 1)) for op in graph.operators]


def shapes_of(graph):
    return [tensor.shape for tensor in graph.tensors]


def test_figures_are_those_of_each_operators_runs(graph):
    events = outside(graph)
    runs = [
        RecordedRun(
            tuple(Event(e.name, e.inside, e.index, factor * e.elapsed_us) for e in events),
            1000 * factor,
        )
        for factor in (1, 2, 6)
    ]
    found = operators_of(runs, graph, shapes_of(graph))
    assert [op.op for op in found] == [op.name for op in graph.operators]
    third = found[2]
    assert (third.median_ms, third.mean_ms) == (pytest.approx(0.06), pytest.approx(0.09))
    assert (third.p5_ms, third.p95_ms) == (pytest.approx(0.033), pytest.approx(0.168))
    assert third.name == graph.tensors[graph.operators[2].outputs[0]].name
    assert sum(op.percent for op in found) == pytest.approx(100)
    assert not any(op.inside or op.partition is not None or op.kernel for op in found)
    by_name = {op.op: (op.height, op.width) for op in found}
    assert by_name["CONV_2D"] == (24, 24) and by_name["DEPTH_TO_SPACE"] == (48, 48)


def delegated(graph, names):
    """The events of a delegate that took everything but operators of `names`, convolutions ..."""
    xnnpack = {
        "CONV_2D": "Convolution (NHWC, QC8) IGEMM",
        "ADD": "Add (ND)",
        "DEPTH_TO_SPACE": "Depth To Space (NHWC, X8) Transpose",
    }
    events, inside = [], 0
    for op in graph.operators:
        if op.name in names or op.name not in xnnpack:
            events.append(Event(op.name, False, op.index, 5))
            inside = 0
        else:
            events.append(Event(xnnpack[op.name], True, inside, 5))
            inside += 1
    return events


def test_operators_inside_of_a_delegate_find_their_counterparts(graph):
    events = delegated(graph, ())
    found = operators_of([RecordedRun(tuple(events), 100)], graph, shapes_of(graph))
    assert [op.op for op in found] == [op.name for op in graph.operators]
    assert [op.index for op in found] == [op.index for op in graph.operators]
    inside = [op for op in found if op.inside]
    assert {op.kernel.split(" (")[0] for op in inside} >= {"Convolution", "Depth To Space"}
    assert {op.partition for op in inside} == {0}


def test_partitions_are_counted_where_the_interpreter_comes_between():
    graph = type("Graph", (), {"operators": (), "tensors": ()})()
    names = [("Add (ND)", 0), ("Add (ND)", 1), ("Add (ND)", 0), ("Convert (NC)", 0)]
    events = tuple(Event(name, True, index, 1) for name, index in names)
    found = operators_of([RecordedRun(events, 9)], graph, [])
    assert [op.partition for op in found] == [0, 0, 1, 2]


def test_counterparts_are_not_guessed(graph):
    events = delegated(graph, ())
    place = next(n for n, event in enumerate(events) if event.name.startswith("Convolution"))
    events.insert(place, Event("Convolution (NHWC, QC8) IGEMM", True, 0, 7))
    found = operators_of([RecordedRun(tuple(events), 100)], graph, shapes_of(graph))
    convolutions = [op for op in found if op.kernel.startswith("Convolution")]
    assert all(op.index is None and op.height is None for op in convolutions)
    assert {op.op for op in convolutions} == {"Convolution (NHWC, QC8) IGEMM"}
    assert next(op for op in found if op.op == "DEPTH_TO_SPACE").height == 48


def test_runs_that_differ_or_are_of_another_file_are_refused(graph):
    events = outside(graph)
    with pytest.raises(ModelFileError, match="same operators"):
        operators_of([RecordedRun(tuple(events), 1), RecordedRun(tuple(events[1:]), 1)], graph, [])
    other = [Event("SOFTMAX", False, 0, 1), *events[1:]]
    with pytest.raises(ModelFileError, match="found SOFTMAX as number 0"):
        operators_of([RecordedRun(tuple(other), 1)], graph, [])


@pytest.mark.parametrize("delegate", ["xnnpack", "builtin"])
def test_a_files_operators_are_measured_where_the_interpreter_runs_them(delegate, files, graph):
    plan = Plan(runs=4, warmup=0)
    found = profile_file(str(files.clipped), plan, delegate=delegate, height=10, width=14)
    assert [op.op for op in found.operators] == [op.name for op in graph.operators]
    left = open_model(files.clipped, delegate=delegate).delegation.left_behind
    assert tuple(op.op for op in found.operators if not op.inside) == left
    assert found.operators[-1].height == 20 and found.operators[-1].width == 28
    assert found.runs == 4 and found.total_ms > 0
    # Times are whole microseconds and the medians of separate operators.
    told = found.to_json()
    assert told["profiled"] == {
        "runs": 4,
        "total_ms": found.total_ms,
        "between_ms": found.between_ms,
        "method": METHOD,
    }
    assert 0 <= found.between_ms < found.total_ms
    assert {"op", "mean_ms", "percent", "calls", "name", "inside"} <= set(told["profile"][0])


def test_other_delegates_are_refused_before_anything_runs():
    require_profiled(["xnnpack", "builtin"])
    for name in ("reference", "external:lib.so"):
        with pytest.raises(OptionError, match="leave --profile"):
            require_profiled(["xnnpack", name])
    with pytest.raises(OptionError):
        profile_file("none.tflite", delegate="reference")


def test_a_picture_is_fed(files):
    picture = np.zeros((30, 30, 3), np.uint8)
    found = profile_file(str(files.clip_free), Plan(runs=1, warmup=0), picture=picture)
    assert found.runs == 1
