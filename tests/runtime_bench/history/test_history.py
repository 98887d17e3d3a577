import errno
import json
import multiprocessing
import os
from datetime import datetime, timezone

import pytest

from runtime_bench.history import history
from runtime_bench.history.history import (
    append_history,
    is_history,
    new_entries,
    read_earlier,
    read_history,
    require_history_target,
)
from sr_models.ground.errors import OptionError, OutputError

ROW = {
    "model": "a.tflite",
    "delegate": "xnnpack",
    "threads": 1,
    "input_shape": [1, 4, 4, 3],
    "sha256": "0" * 64,
    "runtime": "ai-edge-litert 2.3.0",
    "median_ms": 2.0,
    "p5_ms": 1.0,
    "p95_ms": 3.0,
    "samples_ms": [1.0, 2.0, 3.0],
}
NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


def entries(count=1, **changed):
    row = {**ROW, **changed}
    return new_entries("latency", [row] * count, machine={"cpu": "x"}, protocol={}, now=NOON)


def test_what_is_added_is_read_again_in_order(tmp_path):
    path = tmp_path / "deep" / "history.jsonl"
    append_history(path, entries(2, model="first"))
    append_history(path, entries(1, model="second"))
    found = read_history(path)
    assert [entry.result["model"] for entry in found] == ["first", "first", "second"]
    assert found[-1] == entries(1, model="second")[0]
    assert found[0].date == "2026-01-02T12:00:00Z"
    assert len(path.read_text().splitlines()) == 3


def test_nothing_earlier_is_no_error(tmp_path):
    assert read_earlier(tmp_path / "none.jsonl") == []
    with pytest.raises(OptionError, match="expected a history"):
        read_history(tmp_path / "none.jsonl")


def test_infinite_figures_become_gaps(tmp_path):
    row = {
        "model": "a",
        "dataset": "d",
        "scale": 2,
        "images": 1,
        "protocol": "p",
        "psnr_rgb_db": float("inf"),
        "psnr_y_db": 30.0,
    }
    (entry,) = new_entries("quality", [row], machine={}, protocol={})
    append_history(tmp_path / "h.jsonl", [entry])
    assert read_history(tmp_path / "h.jsonl") == [entry]
    assert entry.result["psnr_rgb_db"] is None


def line(**changed):
    return json.dumps({**entries()[0].to_json(), **changed})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (line()[:40], "no whole JSON in line 2"),
        ("\x00", "no whole JSON"),
        ("[" * 100_000, "no whole JSON"),
        ("[1]", "other data"),
        ('{"results": []}', "other data"),
        (line(history=2), "version 1, found 2"),
        (line(kind="drop"), "no usable 'kind'"),
        (line(date="yesterday"), "no usable 'date'"),
        (line(machine=None), "'machine'"),
        (line(result=[]), "'result'"),
        (line(result={}), "'model'"),
        (line(result={**ROW, "threads": "1"}), "'threads'"),
        (line(result={**ROW, "threads": True}), "'threads'"),
        (line(result={**ROW, "samples_ms": []}), "'samples_ms'"),
        (line(result={**ROW, "samples_ms": [1.0, None]}), "'samples_ms'"),
        (line(result={**ROW, "samples_ms": [1.0, -1.0]}), "'samples_ms'"),
        (line(result={**ROW, "median_ms": float("nan")}), "'median_ms'"),
        (line(kind="compare"), "'baseline'"),
        (line(kind="quality"), "'dataset'"),
    ],
)
def test_damaged_and_foreign_lines_are_told_by_number(text, message, tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(f"{line()}\n{text}\n")
    with pytest.raises(OptionError, match=message) as caught:
        read_history(path)
    assert "line 2 of" in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(OptionError, match=message):
        require_history_target(str(path))


def test_binary_files_are_refused(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(OptionError, match="line 1 of"):
        read_history(path)


def test_empty_lines_and_a_missing_last_newline_do_no_harm(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(f"\n{line()}\n\n{line()}")
    append_history(path, entries())
    assert len(read_history(path)) == 3


def test_a_write_that_fails_midway_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "history.jsonl"
    append_history(path, entries())
    before = path.read_bytes()
    write, calls = os.write, []

    def full_disk(descriptor, data):
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, data[:50])

    monkeypatch.setattr(history.os, "write", full_disk)
    with pytest.raises(OutputError, match="no space left"):
        append_history(path, entries())
    assert len(calls) == 2 and path.read_bytes() == before


def test_an_interrupt_midway_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "history.jsonl"
    append_history(path, entries())
    before = path.read_bytes()

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(history.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        append_history(path, entries(5))
    assert path.read_bytes() == before


def add_some(path, model):
    for _ in range(20):
        append_history(path, entries(3, model=model))


def test_several_may_add_at_once(tmp_path):
    path = tmp_path / "history.jsonl"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=add_some, args=(path, name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = [entry.result["model"] for entry in read_history(path)]
    assert sorted(found) == ["a"] * 60 + ["b"] * 60
    # Those of one call stay together.
    assert all(len(set(found[at : at + 3])) == 1 for at in range(0, 120, 3))


def test_places_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        append_history(tmp_path / "file" / "h.jsonl", entries())
    with pytest.raises(OutputError, match="found a folder"):
        require_history_target(str(tmp_path))
    assert require_history_target(None) is None


def test_histories_are_known_by_their_name():
    assert is_history("a/speed.jsonl") and not is_history("latency.json")
