from runtime_bench.history.bookkeeping import (
    COLUMNS,
    print_trends,
    skipped_lines,
    trend_rows,
)
from runtime_bench.history.trend import trends
from tests.runtime_bench.history.test_trend import compared, rated, timed


def test_every_kind_has_a_cell_for_each_column():
    for make in (lambda: timed(), lambda: rated(30.0), lambda: compared(1.0, 2.0, 3.0)):
        for past in ([], [make()]):
            found = trends([make()], past)
            (row,) = trend_rows(found)
            assert len(row) == len(COLUMNS[found[0].kind])
            assert found[0].verdict in row


def test_the_table_says_what_was_and_what_is(capsys):
    print_trends(trends([timed(12.0)], [timed(10.0)]), source="h.jsonl")
    out = capsys.readouterr().out
    assert "Against h.jsonl" in out and "slower" in out and "2026-01-01" in out
    print_trends([], source="h.jsonl")
    assert capsys.readouterr().out == ""


def test_what_is_not_compared_is_said_once():
    elsewhere = timed(machine={"cpu": "B"})
    found = trends([timed(), timed()], [elsewhere, timed(threads=2)])
    (line,) = skipped_lines(found, source="h")
    assert line == "not compared with h, a.tflite: 1 of another machine, 1 of other threads"


def test_rows_of_other_threads_need_no_word_beside_a_comparison():
    past = [timed(), timed(threads=2), timed(delegate="builtin")]
    assert skipped_lines(trends([timed()], past), source="h") == []
