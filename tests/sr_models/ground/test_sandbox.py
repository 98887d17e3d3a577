import pytest

from sr_models.ground.child import Crash, Sandbox
from sr_models.ground.errors import ModelFileError

JOBS = """
import ctypes, os, sys, time
from sr_models.ground.child import serve_calls
from sr_models.ground.errors import ModelFileError

def echo(*contents, **options):
    return [[len(c) for c in contents], options, os.getpid()]

def refuse(content):
    raise ModelFileError("expected better, found worse; give another")

def crash(content):
    ctypes.string_at(0)

def abort(content):
    os.abort()

def hang(content):
    time.sleep(600)

def chatter(content):
    print("to stdout", flush=True)
    os.write(1, b"native chatter")
    return "answer"

def eat(content, megabytes):
    return len(bytearray(megabytes << 20))

def serve():
    serve_calls({f.__name__: f for f in (echo, refuse, crash, abort, hang, chatter, eat)})
"""


@pytest.fixture(scope="module")
def jobs_module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "jobs_of_a_test.py").write_text(JOBS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield "jobs_of_a_test"


@pytest.fixture(scope="module")
def child(jobs_module):
    with Sandbox(jobs_module, memory_mb=200) as child:
        yield child


def test_contents_and_options_arrive(child):
    sizes, options, _ = child.call("echo", b"a" * 3_000_000, b"", speed="slow")
    assert (sizes, options) == ([3_000_000, 0], {"speed": "slow"})


def test_one_child_answers_many_calls(child):
    assert child.call("echo")[2] == child.call("echo")[2]


def test_an_error_of_the_user_comes_back_as_one(child):
    with pytest.raises(ModelFileError, match="expected better, found worse"):
        child.call("refuse", b"")


@pytest.mark.parametrize(("job", "signal"), [("crash", "SIGSEGV"), ("abort", "SIGABRT")])
def test_a_crash_is_an_answer_and_the_next_call_works(child, job, signal):
    with pytest.raises(Crash, match=signal):
        child.call(job, b"")
    assert child.call("echo", b"ab")[0] == [2]


def test_a_hang_is_ended(jobs_module):
    with Sandbox(jobs_module, timeout_s=3.0) as child:
        with pytest.raises(Crash, match="more than 3 seconds"):
            child.call("hang", b"")
        assert child._child is None


def test_what_the_child_prints_does_not_spoil_the_answer(child):
    assert child.call("chatter", b"") == "answer"


def test_memory_is_limited(child):
    assert child.call("eat", b"", megabytes=50) == 50 << 20
    with pytest.raises(ModelFileError, match="200 MB"):
        child.call("eat", b"", megabytes=400)
