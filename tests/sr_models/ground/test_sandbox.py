import importlib

import pytest

from sr_models.ground.child import Crash, Sandbox, ask_module
from sr_models.ground.errors import ModelFileError

JOBS = """
import ctypes, os, time
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
"""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "jobs_of_a_test.py").write_text(JOBS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module("jobs_of_a_test")


@pytest.fixture(scope="module")
def child(jobs):
    with Sandbox(jobs.__name__, memory_mb=200) as child:
        yield child


def test_contents_and_options_arrive(child, jobs):
    sizes, options, _ = child.call(jobs.echo, b"a" * 3_000_000, b"", speed="slow")
    assert (sizes, options) == ([3_000_000, 0], {"speed": "slow"})


def test_one_child_answers_many_calls(child, jobs):
    assert child.call(jobs.echo)[2] == child.call(jobs.echo)[2]


def test_an_error_of_the_user_comes_back_as_one(child, jobs):
    with pytest.raises(ModelFileError, match="expected better, found worse"):
        child.call(jobs.refuse, b"")


@pytest.mark.parametrize(("job", "signal"), [("crash", "SIGSEGV"), ("abort", "SIGABRT")])
def test_a_crash_is_an_answer_and_the_next_call_works(child, jobs, job, signal):
    with pytest.raises(Crash, match=signal):
        child.call(getattr(jobs, job), b"")
    assert child.call(jobs.echo, b"ab")[0] == [2]


def test_a_hang_is_ended(jobs):
    with Sandbox(jobs.__name__, timeout_s=3.0) as child:
        with pytest.raises(Crash, match="more than 3 seconds"):
            child.call(jobs.hang, b"")
        assert child._child is None


def test_what_the_child_prints_does_not_spoil_the_answer(child, jobs):
    assert child.call(jobs.chatter, b"") == "answer"


def test_memory_is_limited(child, jobs):
    assert child.call(jobs.eat, b"", megabytes=50) == 50 << 20
    with pytest.raises(ModelFileError, match="200 MB"):
        child.call(jobs.eat, b"", megabytes=400)


def test_a_module_that_fails_says_its_last_line():
    with pytest.raises(Crash, match="No such file or directory"):
        ask_module("json.tool", "none.json")


def test_a_module_that_says_nothing_is_no_answer():
    with pytest.raises(Crash, match="exit status 0"):
        ask_module("compileall", "-q", "none")
