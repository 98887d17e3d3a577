from dataclasses import replace

from runtime_bench.history.trend import trends
from runtime_bench.pages.trend_plot import Line, charts_of_history, charts_of_trends, draw, label_of
from tests.runtime_bench.history.test_trend import compared, rated, timed
from tests.sr_models.ground.test_plots import drawn


def test_the_same_work_is_one_line_and_each_machine_a_chart():
    other = {"cpu": "B", "cores": 8}
    entries = [
        timed(10.0, day=1),
        timed(20.0, day=1, threads=2),
        timed(11.0, day=2, sha256="1"),
        timed(5.0, day=3, machine=other),
        timed(12.0, day=4, input_shape=[1, 8, 8, 3]),
    ]
    first, second = charts_of_history(entries)
    assert (first.machine, second.machine) == ("A, 2 core(s)", "B, 8 core(s)")
    assert [(line.label, len(line.points)) for line in first.lines] == [
        ("a.tflite, xnnpack, 1 thread(s), 4x4", 2),
        ("a.tflite, xnnpack, 2 thread(s), 4x4", 1),
        ("a.tflite, xnnpack, 1 thread(s), 8x8", 1),
    ]
    point = first.lines[0].points[1]
    assert (point.date, point.file) == ("2026-01-02T00:00:00Z", "1")
    assert point.low < point.value < point.high


def test_quality_is_of_no_machine_and_gaps_are_left_out():
    entries = [rated(30.0), rated(None), replace(rated(31.0), machine={"cpu": "B"})]
    (chart,) = charts_of_history(entries)
    assert chart.machine == "" and [p.value for p in chart.lines[0].points] == [30.0, 31.0]
    assert charts_of_history([rated(None)]) == []


def test_trends_of_results_are_the_same_lines():
    past = [timed(10.0, day=1), timed(11.0, day=2)]
    rows = [trend.to_json() for trend in trends([timed(12.0, day=3)], past)]
    (chart,) = charts_of_trends(rows)
    (line,) = chart.lines
    assert line.label == "a.tflite, xnnpack, 1 thread(s)"
    assert [round(point.value) for point in line.points] == [10, 11, 12]


def test_labels_name_what_a_result_is_of():
    names = {"x/a": "a", "x/b": "b"}
    assert label_of({"model": "x/a", "baseline": "x/b", "threads": 2}, names) == (
        "a against b, 2 thread(s)"
    )
    assert label_of({"model": "x/a", "dataset": "Set5", "delegate": None}, names) == "a, Set5"


def test_charts_of_every_kind_are_drawn():
    entries = [timed(10.0, day=1), timed(11.0, day=2, sha256="1"), rated(30.0), rated(30.1)]
    entries += [compared(1.0, 2.0, 3.0), timed(10.0, day=40 % 28, model="<b>$x^2$_"), timed(9.0)]
    charts = charts_of_history(entries)
    assert [chart.kind for chart in charts] == ["latency", "quality", "compare"]
    for chart in charts:
        assert drawn(draw(chart)).tag.endswith("svg")


def test_many_dates_have_few_labels():
    points = charts_of_history([timed(10.0, day=day) for day in range(1, 29)])[0].lines[0].points
    (chart,) = charts_of_history([timed(10.0)])
    text = "".join(drawn(draw(replace(chart, lines=(Line("a", points),)))).itertext())
    assert sum(text.count(f"2026-01-{day:02}") for day in range(1, 29)) <= 8
