import ctypes

import pytest

from runtime_bench.measuring.litert_library import NativeEvent, Profiled, read_events
from runtime_bench.measuring.litert_profiler import Recording, find_library

# Kept alive: events point to them.
NAMES = {name: ctypes.create_string_buffer(name.encode()) for name in ("Invoke", "ADD", "Add (ND)")}


def event(name, kind, elapsed_us, index=0):
    tag = ctypes.addressof(NAMES[name])
    return NativeEvent(tag=tag, type=kind, elapsed_us=elapsed_us, index=index)


def test_operators_of_both_places_are_read():
    found = read_events(
        [
            event("Invoke", 1, 99),
            event("ADD", 2, 5, 3),
            event("Add (ND)", 8, 7, 1),
            event("Add (ND)", 4, 9, 2),
            event("Invoke", 32, 4),
        ]
    )
    assert found == {
        "events": [["ADD", False, 3, 5], ["Add (ND)", True, 1, 7], ["Add (ND)", True, 2, 9]],
        "total_us": 99,
    }


@pytest.mark.parametrize(
    "events",
    [
        [],
        [event("Invoke", 1, 9), event("ADD", 3, 5)],
        [event("Invoke", 1, 9), event("ADD", 0, 5)],
        [event("Invoke", 1, 9), NativeEvent(type=2)],
    ],
    ids=["none", "of two types", "of no type", "without a name"],
)
def test_events_of_another_form_are_not_followed(events):
    with pytest.raises(SystemExit, match="unknown form"):
        read_events(events)


def test_a_run_that_is_not_all_there_is_refused():
    with pytest.raises(SystemExit, match="more operators"):
        read_events([event("ADD", 2, 5)])


def test_a_function_that_fails_or_is_missing_is_named(files):
    library = str(find_library())
    recording = Recording(str(files.clip_free), "xnnpack", 1, 1, 1.0, 0, False)
    profiled = Profiled.__new__(Profiled)
    profiled._library = ctypes.CDLL(library)
    with pytest.raises(SystemExit, match="LiteRtStartProfiler failed with status"):
        profiled._call("LiteRtStartProfiler", None)
    with pytest.raises(SystemExit, match="no function LiteRtNothing"):
        profiled._call("LiteRtNothing")
    assert recording.kernels == "xnnpack"
