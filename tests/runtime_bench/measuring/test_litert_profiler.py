import numpy as np
import pytest

from export.running.interpreters import open_model
from runtime_bench.measuring import litert_profiler
from runtime_bench.measuring.latency import seeded_input
from runtime_bench.measuring.litert_profiler import Recording, find_library, record
from sr_models.ground.errors import ModelFileError, OptionError


def recording(path, **changed):
    options = {
        "kernels": "xnnpack",
        "threads": 1,
        "runs": 3,
        "seconds": 60.0,
        "warmup": 0,
        "resize": False,
    }
    return Recording(str(path), **{**options, **changed})


def inputs_of(path, **size):
    return [seeded_input(tensor) for tensor in open_model(path, **size).inputs]


def test_each_run_has_an_event_for_each_operator(files):
    runs = record(recording(files.clip_free), inputs_of(files.clip_free))
    assert len(runs) == 3
    names = [[event.name for event in run.events] for run in runs]
    assert names[0] == names[1] == names[2]
    assert names[0][0] == names[0][-1] == "QUANTIZE"
    assert {event.inside for event in runs[0].events} == {True, False}
    for run in runs:
        # Each time is cut off to whole microseconds.
        assert sum(event.elapsed_us for event in run.events) <= run.total_us + 1


def test_builtin_kernels_have_no_delegate(files):
    (run,) = record(
        recording(files.clip_free, kernels="builtin", runs=1), inputs_of(files.clip_free)
    )
    assert not any(event.inside for event in run.events)
    assert [event.index for event in run.events] == list(range(len(run.events)))


def test_files_run_at_another_size(files):
    arrays = inputs_of(files.clip_free, height=7, width=9)
    assert len(record(recording(files.clip_free, resize=True), arrays)) == 3
    with pytest.raises(ModelFileError, match="LiteRtRunCompiledModel failed with status"):
        record(recording(files.clip_free), arrays)


def test_input_of_another_type_is_refused(files):
    arrays = [array.astype(np.float32) for array in inputs_of(files.clip_free)]
    with pytest.raises(ModelFileError, match="an input of 1728 bytes where 6912 were given"):
        record(recording(files.clip_free), arrays)


def test_the_time_budget_ends_it_after_one_run(files):
    runs = record(recording(files.clip_free, runs=50, seconds=0.0), inputs_of(files.clip_free))
    assert len(runs) == 1


def test_a_file_that_cannot_run_is_one_line(files, tmp_path):
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(files.clip_free.read_bytes()[:200])
    with pytest.raises(ModelFileError, match=r"expected to profile .*broken.*; leave --profile"):
        record(recording(broken), [np.zeros((1, 2, 2, 3), np.uint8)])


def test_a_missing_library_is_told(monkeypatch):
    assert find_library().is_file()
    monkeypatch.setattr(litert_profiler, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match="install ai-edge-litert"):
        find_library()
