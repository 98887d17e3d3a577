import errno
import json
import math
import signal

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from sr_models.ground import console
from sr_models.ground.errors import OutputError, PictureError


def raising(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (PictureError("expected a, found b"), 2, "error: expected a, found b"),
        (PictureError("two\nlines"), 2, "error: two lines"),
        (console.GateNotMet("speed-up 1.1 below 1.5"), 1, "speed-up 1.1 below 1.5"),
        (KeyboardInterrupt(), 130, ""),
        (typer.Abort(), 130, ""),
        (typer.Exit(130), 130, ""),
        (typer.Exit(0), 0, ""),
    ],
)
def test_an_error_becomes_its_status_and_one_line(error, status, line, capsys):
    assert console.status_of(raising(error)) == status
    out, err = capsys.readouterr()
    assert (out, err.removesuffix("\n")) == ("", line)


def test_success_is_zero_and_a_returned_number_is_the_status():
    assert console.status_of(lambda: None) == 0
    assert console.status_of(lambda: 1) == 1


def test_a_programming_error_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        console.status_of(lambda: 1 / 0)
    with pytest.raises(OSError):
        console.status_of(raising(OSError(errno.EIO, "Input/output error")))


@pytest.mark.parametrize("statement", ["print('text')", "console.print_table('t', ['a'], [[1]])"])
def test_a_closed_pipe_is_no_error_and_a_full_disk_is(statement, run_python):
    code = (
        "import os, sys\n"
        "from sr_models.ground import console\n"
        "app = console.new_app('x')\n"
        "@app.command()\n"
        f"def first(): {statement}\n"
        "@app.command()\n"
        "def second(): pass\n"
        "if sys.argv[1] == 'closed':\n"
        "    reader, writer = os.pipe(); os.close(reader)\n"
        "else:\n"
        "    writer = os.open('/dev/full', os.O_WRONLY)\n"
        "os.dup2(writer, 1)\n"
        "console.run(app, ['first'])\n"
    )
    closed = run_python(code, "closed")
    assert (closed.returncode, closed.stderr) == (0, "")
    full = run_python(code, "full")
    assert full.returncode == 2
    assert full.stderr.count("\n") == 1 and "full disk" in full.stderr


@pytest.fixture
def app():
    app = console.new_app("Things.")

    @app.command()
    def count(number: int = 1):
        """Count."""

    @app.command()
    def other():
        """Other."""

    return app


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["count", "--number", "many"], "--number"),
        (["nothing"], "nothing"),
        (["count", "--colour", "1"], "--colour"),
    ],
)
def test_wrong_usage_is_two_in_one_line(app, arguments, part, capsys):
    with pytest.raises(SystemExit) as stop:
        console.run(app, arguments)
    err = capsys.readouterr().err
    assert stop.value.code == 2
    assert err.startswith("error: ") and err.count("\n") == 1 and part in err


def test_help_is_status_zero(app, capsys):
    with pytest.raises(SystemExit) as stop:
        console.run(app, ["--help"])
    assert stop.value.code == 0
    assert "Count." in capsys.readouterr().out


DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(DATA)
def test_json_text_is_strict_json(value):
    def refuse(constant):
        raise AssertionError(constant)

    json.loads(console.json_text(value), parse_constant=refuse)


def test_infinity_and_nan_are_null():
    found = json.loads(console.json_text({"a": math.inf, "b": [math.nan, 1.5], "c": (-math.inf,)}))
    assert found == {"a": None, "b": [None, 1.5], "c": [None]}


def test_write_json_to_stdout_to_a_file_and_nowhere(tmp_path, capsys):
    console.write_json({"a": 1}, None)
    assert capsys.readouterr().out == ""
    console.write_json({"a": 1}, "-")
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    console.write_json({"a": 1}, str(tmp_path / "new" / "a.json"))
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"a": 1}
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        console.write_json({"a": 1}, str(tmp_path / "file" / "a.json"))


def test_a_table_shows_every_cell_as_it_is(capsys):
    console.print_table("Title", ["folder", "dB"], [["[red]", "30.40"], ["plain", 7]])
    lines = capsys.readouterr().out.splitlines()
    assert "[red]" in "".join(lines)
    plain = next(line for line in lines if "plain" in line)
    assert plain.rstrip(" │").endswith("    7"), "numbers stand to the right"


def test_progress_is_silent_without_a_terminal(capsys):
    with console.progress("work") as update:
        update(1, 2, "half")
        update(2, 2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("target", ["", "folder", "file/x.json"])
def test_json_that_cannot_be_written_is_refused_before_the_work(target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="expected"):
        console.require_json_target(target)
    for usable in (None, "-", "new/x.json"):
        assert console.require_json_target(usable) == usable
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_a_command_with_a_word_and_no_leftovers(name, start_python, tmp_path):
    code = (
        "import sys, time\n"
        "from sr_models.ground import console, files\n"
        "app = console.new_app('x')\n"
        "@app.command()\n"
        "def work(out: str):\n"
        "    with files.writing_folder(out, overwrite=False):\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "@app.command()\n"
        "def other(): pass\n"
        "console.run(app)\n"
    )
    process = start_python(code, "work", tmp_path / "new")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("columns", "widest"), [("40", 40), ("", 200)])
def test_a_piped_table_is_as_wide_as_columns_says_or_as_it_needs(
    columns, widest, monkeypatch, capsys
):
    monkeypatch.setenv("COLUMNS", columns)
    console.print_table("Title", ["name", "what it does"], [["some", "a word " * 40]])
    assert max(map(len, capsys.readouterr().out.splitlines())) == widest
