from runtime_bench.pages import phone_sections
from tests.runtime_bench.pages.test_sections import drawn


def test_sections_without_rows_are_left_out():
    assert drawn(phone_sections.add_phones, [], {})[0].blocks == []
    assert drawn(phone_sections.add_phone_quality, [])[0].blocks == []
    assert drawn(phone_sections.add_goldens, [])[0].blocks == []


def test_phones_are_named_with_what_they_lack(result_parts):
    part = result_parts["android"]
    page, found = drawn(phone_sections.add_phones, part["results"], part["failures"])
    assert [block["kind"] for block in page.blocks].count("plot") == 1
    for text in (
        "Acme Phone 9",
        "Google Tensor G4",
        "nnapi",
        "on the CPU: QUANTIZE",
        "P3",
        "2 row(s) without a bar",
        "expected P3 to stay",
        "deprecated since Android 15",
    ):
        assert text in found.text
    _, found = drawn(phone_sections.add_phones, [], {"P3": "gone"})
    assert "gone" in found.text


def test_pictures_of_phones_stand_beside_the_desktops(result_parts):
    _, found = drawn(phone_sections.add_phone_quality, result_parts["android"]["quality"])
    cells = [text for text, _ in found.cells]
    assert cells == ["P1", "clip_free.tflite", "nnapi", "first", "2", "30", "30.1", "3", "1.00%"]


def test_golden_pairs_say_whether_they_were_reproduced():
    row = {
        "model": "a.tflite",
        "serial": "P1",
        "delegate": "gpu",
        "passed": False,
        "found": {"max_abs_code_difference": 9, "differing_fraction": 0.5},
        "allowed": {"max_abs_code_difference": 5, "differing_fraction": 0.25},
    }
    _, found = drawn(phone_sections.add_goldens, [row, {**row, "passed": True}])
    cells = [text for text, _ in found.cells]
    assert cells[:7] == ["P1", "a.tflite", "gpu", "9", "50.00%", "5 at 25.00%", "NOT PASSED"]
    assert cells[13] == "passed"
