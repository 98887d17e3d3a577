import types

import pytest

from export.running.plan import Plan
from export.running.statistics import Comparison
from runtime_bench.evidence.twins import (
    TwinRow,
    Twins,
    compare_twins,
    summary_of,
    twin_cells,
    twin_page,
)
from runtime_bench.measuring.quality import find_datasets

SHORT = Plan(runs=9, warmup=0)


@pytest.fixture(scope="module")
def rows(files, ground_truth):
    pair = Twins(types.SimpleNamespace(name="tiny_x2"), files.clipped, files.clip_free)
    seen = []
    found = compare_twins(
        [pair],
        threads=[2, 1, 2],
        height=16,
        width=20,
        plan=SHORT,
        datasets=find_datasets(ground_truth),
        on_network=lambda done, name: seen.append((done, name)),
    )
    assert seen == [(0, "tiny_x2")]
    return found


def test_every_number_of_threads_is_timed_at_the_size_and_pictures_once(rows):
    (row,) = rows
    assert list(row.by_threads) == [2, 1]
    for threads, found in row.by_threads.items():
        for latency in (found.baseline, found.candidate):
            assert (latency.threads, latency.input_shape) == (threads, (1, 16, 20, 3))
            assert latency.summary.runs == 9
    assert [len(found.quality) for found in row.by_threads.values()] == [4, 0]
    assert "clipped" in row.first.baseline.model and "clip_free" in row.first.candidate.model


def test_json_has_every_comparison(rows):
    row = rows[0].to_json()
    assert row["preset"] == "tiny_x2"
    assert [one["threads"] for one in row["comparisons"]] == [2, 1]
    assert all(one["speedup"] > 0 and "verdict" in one for one in row["comparisons"])


def test_cells_say_what_was_found(rows):
    columns, ((name, *cells),) = twin_cells(rows)
    assert columns[:5] == [
        "network",
        "2 threads: clipped, ms",
        "clip-free, ms",
        "speed-up",
        "1 thread: clipped, ms",
    ]
    assert columns[-2:] == ["PSNR on first, dB", "PSNR on second, dB"]
    assert name == "tiny_x2" and len(cells) == len(columns) - 1
    found = rows[0].first
    assert cells[0] == f"{found.baseline.summary.median_ms:.1f}"
    assert cells[2].startswith(f"{found.speed.speedup:.2f} [{found.speed.low:.2f}, ")
    # The clip's two operators are what the delegate leaves behind the more.
    clipped, clip_free = int(cells[7]), int(cells[8])
    assert clipped == clip_free + 2
    quality = {(r.model, r.dataset): r.raw.psnr_rgb_db for r in found.quality}
    expected = [quality[latency.model, "first"] for latency in (found.baseline, found.candidate)]
    assert cells[-2] == "{:.2f} → {:.2f}".format(*expected)


def spoken(rows, *speeds):
    """The rows' first row with other verdicts, one row for each."""
    found = rows[0].first
    return [
        TwinRow(f"net{index}", {1: types.SimpleNamespace(**{**vars(found), "speed": speed})})
        for index, speed in enumerate(speeds)
    ]


FASTER = Comparison(1.25, 1.2, 1.3, 1e-6, True)
SLOWER = Comparison(0.8, 0.7, 0.9, 1e-6, True)
SAME = Comparison(1.002, 0.99, 1.01, 0.4, False)


def test_a_summary_counts_verdicts(rows):
    assert summary_of(spoken(rows, FASTER, SAME, SLOWER, FASTER)) == [
        "threads 1: clip-free is faster in 2 of 4 networks, slower in 1; speed-ups 0.80 to 1.25"
    ]


def test_a_page_is_a_table_with_notes(rows, monkeypatch):
    monkeypatch.setattr("runtime_bench.evidence.twins._psnr", lambda found, name: "1.00 → 2.00")
    text = twin_page(
        [TwinRow(row.preset, row.by_threads) for row in rows], notes=["Input 16x20", "a machine"]
    )
    lines = text.splitlines()
    assert lines[0].startswith("| network | 2 threads: clipped, ms |")
    assert set(lines[1]) == set("| -:") and lines[2].startswith("| `tiny_x2` |")
    assert len({line.count("|") for line in lines[:3]}) == 1
    assert lines[3:] == ["", "Input 16x20. a machine."]


def test_a_difference_that_is_not_shown_is_not_claimed(rows):
    from runtime_bench.evidence.twins import _speed

    assert _speed(SAME) == "1.00 [0.99, 1.01], no difference shown"
    assert _speed(FASTER) == "1.25 [1.20, 1.30]"
