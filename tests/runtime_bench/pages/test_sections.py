import copy

from runtime_bench.pages import sections
from runtime_bench.pages.report import Page
from tests.runtime_bench.pages.test_report import Reader


def drawn(add, *arguments):
    page = Page("t")
    add(page, *arguments)
    return page, Reader(page.html())


def test_sections_without_rows_are_left_out():
    for add, nothing in (
        (sections.add_latency, [[]]),
        (sections.add_quality, [[]]),
        (sections.add_scatter, [[], []]),
        (sections.add_crops, [[]]),
        (sections.add_operators, [[{"profile": []}]]),
        (sections.add_history, [[], []]),
        (sections.add_machines, [[{}]]),
    ):
        assert drawn(add, *nothing)[0].blocks == []


def test_what_was_left_behind_and_memory_stand_beside_the_times(result_parts):
    rows = copy.deepcopy(result_parts["latency"]["results"])
    _, found = drawn(sections.add_latency, rows)
    assert "2 QUANTIZE" in found.text and "peak MiB" not in found.text
    rows[0]["peak_memory_mb"] = 12.5
    _, found = drawn(sections.add_latency, rows)
    assert "peak MiB" in found.text and "12.5" in found.text


def test_points_need_a_latency_and_a_quality_of_the_same_phone(result_parts):
    phones, made = (result_parts["android"][key] for key in ("results", "quality"))
    page, _ = drawn(sections.add_scatter, phones, made)
    (block,) = page.blocks
    assert "30.00 dB" in block["alt"] and "Acme Phone 9" in block["alt"]
    elsewhere = [{**row, "serial": "P2"} for row in made]
    assert drawn(sections.add_scatter, phones, elsewhere)[0].blocks == []


def test_operators_stand_by_time_with_the_rest_in_one_row(result_parts):
    row = copy.deepcopy(result_parts["latency"]["results"][1])
    operator = row["profile"][0]
    row["profile"] = [
        {**operator, "op": f"OP_{number}", "median_ms": float(number), "percent": 1.0}
        for number in range(20)
    ]
    _, found = drawn(sections.add_operators, [row])
    cells = [text for text, _ in found.cells]
    assert cells.index("OP_19") < cells.index("OP_18") and "OP_4" not in cells
    # 0 + 1 + 2 + 3 + 4 of 20 operators, 15 of which have a row.
    place = cells.index("5 others")
    assert cells[place + 3 : place + 5] == ["10", "5"]


def test_a_phones_delegate_is_not_the_interpreter(result_parts):
    _, found = drawn(sections.add_operators, result_parts["android"]["results"])
    cells = [text for text, _ in found.cells]
    assert cells[cells.index("TfLiteNnapiDelegate") + 2] == "nnapi"
    assert cells[cells.index("QUANTIZE") + 2] == "builtin"


def test_how_much_lies_outside_of_the_delegate_is_said(result_parts):
    row = copy.deepcopy(result_parts["latency"]["results"][1])
    for operator in row["profile"]:
        operator["median_ms"] = 1.0
    outside = sum(not operator["inside"] for operator in row["profile"])
    page, _ = drawn(sections.add_operators, [row])
    share = outside / len(row["profile"])
    assert f"{share:.0%} of the operators' time lies outside" in page.blocks[1]["caption"]


def test_a_single_result_is_text_and_not_a_plot(result_parts):
    (entry, *_) = result_parts["history"]["history"]
    page, found = drawn(sections.add_history, [entry], [])
    assert [block["kind"] for block in page.blocks] == ["heading", "text"]
    assert "One result so far (median ms): clipped.tflite, xnnpack" in found.text


def test_trends_are_drawn_where_no_history_is_given(result_parts):
    rows = result_parts["latency"]["trend"]
    page, found = drawn(sections.add_history, [], rows)
    assert [block["kind"] for block in page.blocks] == ["heading", "plot", "table"]
    assert "no difference shown" in found.text


def test_every_machine_is_shown_once(result_parts):
    machine = result_parts["latency"]["machine"]
    parts = [{"machine": machine}, {"machine": {**machine}}, {"machine": {"cpu": "B"}}, {}]
    assert len(drawn(sections.add_machines, parts)[0].blocks) == 2
