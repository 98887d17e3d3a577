import pytest

from runtime_bench.android.adb import PhoneError, Stopped
from runtime_bench.android.devices import ToolFiles
from runtime_bench.android.session import open_session
from runtime_bench.android.tool import CLASSIC
from sr_models.ground.errors import OptionError
from tests.runtime_bench.android.fakes import FakeAdb
from tests.runtime_bench.android.texts import REFUSED

GRAPH = ["--graph=/data/local/tmp/m.tflite"]


@pytest.fixture
def adb():
    return FakeAdb().on("P1")


def test_a_session_leaves_nothing(adb, program):
    library = program.with_name("libAccelerator.so")
    library.write_bytes(b"so")
    with open_session(adb, ToolFiles(program, (library,))) as session:
        assert session.tool.kind == CLASSIC
        assert sorted(adb.files) == [
            session.path("benchmark_model"),
            session.path("libAccelerator.so"),
        ]
        session.push_bytes(b"data", "m.tflite")
        assert session.pull_bytes("m.tflite") == b"data"
    assert adb.files == {}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, Stopped])
def test_nothing_is_left_whatever_happens(adb, program, error):
    with pytest.raises(error), open_session(adb, ToolFiles(program)) as session:
        session.push_bytes(b"data", "m.tflite")
        raise error
    assert adb.files == {}
    # What still runs there is ended by its process id.
    assert f"kill -9 $(cat {session.folder}/pid)" in adb.calls[-1][1]


def test_a_phone_that_is_gone_hides_no_error(adb, program, monkeypatch):
    def gone(*_, **__):
        raise PhoneError("gone")

    with pytest.raises(ZeroDivisionError), open_session(adb, ToolFiles(program)):
        monkeypatch.setattr(FakeAdb, "shell", gone)
        raise ZeroDivisionError


def test_sessions_do_not_share_a_folder(adb, program):
    folders = set()
    for _ in range(3):
        with open_session(adb, ToolFiles(program)) as session:
            folders.add(session.folder)
    assert len(folders) == 3
    assert all(folder.startswith("/data/local/tmp/sr-bench-") for folder in folders)


def test_the_program_is_bound_to_cores(adb, program):
    with open_session(adb, ToolFiles(program), cpus="0xF0") as session:
        session.run(GRAPH, seconds=1)
    assert any("exec taskset f0 ./benchmark_model --graph" in command for _, command in adb.calls)


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        (REFUSED, 1, "google-edgetpu,nnapi-reference"),
        (REFUSED, 1, "Could not find the specified NNAPI accelerator: tpu"),
        ("ERROR: Unconsumed cmdline flags: --x", 1, "newer benchmark_model"),
        ("INFO: STARTING!\nSegmentation fault", 139, "signal 11 (Segmentation fault)"),
        ("", 137, "signal 9 (no word of it)"),
        ("", 1, "no word of it"),
        ("sh: ./benchmark_model: not executable: 64-bit ELF file", 126, "for its ABI"),
        ("", 0, "found nothing"),
    ],
)
def test_a_program_that_fails_is_told_apart(program, text, status, said):
    adb = FakeAdb(tool=(text, status)).on("P1")
    with (
        pytest.raises(PhoneError, match=r"expected .* found") as caught,
        open_session(adb, ToolFiles(program)) as session,
    ):
        session.run(GRAPH, seconds=1)
    assert said in str(caught.value) and "P1" in str(caught.value)
    assert adb.files == {}


def test_a_program_of_another_kind_is_refused_and_removed(program):
    adb = FakeAdb(help_text="usage: busybox").on("P1")
    with pytest.raises(OptionError, match="busybox"), open_session(adb, ToolFiles(program)):
        pass
    assert adb.files == {}


def test_a_file_that_was_not_written_is_empty(adb, program):
    with open_session(adb, ToolFiles(program)) as session:
        assert session.pull_text("profile.csv") == ""
        adb.state["profile"] = "table"
        assert session.pull_text("profile.csv") == "table"
