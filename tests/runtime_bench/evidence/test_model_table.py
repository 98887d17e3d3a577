from pathlib import Path

import pytest

from runtime_bench.evidence.models import (
    MEASURED,
    facts_part,
    measured_part,
    network_facts,
    not_measured,
    outdated,
    read_page,
)
from runtime_bench.evidence.placements import LeftBehind, Placement
from sr_models.ground.errors import OptionError
from sr_models.networks.presets import PRESETS

PAGE = Path(__file__).parents[3] / "docs" / "models.md"

NETWORK = {
    "name": "abpn_x3",
    "family": "abpn",
    "scale": 3,
    "parameters": 42_539,
    "multiply_adds": 9_756_288_000,
    "source": "arXiv 2105.09750",
    "steps": 40_000,
    "psnr_y_db": {"Own": 30.0, "Set5": 33.164, "Set14": 29.9},
    "ssim_y": {"Set5": 0.91617},
    "published_psnr_y_db": {"Set5": 33.53, "BSD100": 28.72},
}
PLACED = Placement("abpn_x3", True, 11, 13, 1, (LeftBehind("QUANTIZE", 2, "interface"),))


def rows(text: str) -> list[list[str]]:
    """Cells of the rows of tables, heads included."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_in_docs_is_up_to_date():
    assert outdated(PAGE, network_facts()) is None


def test_every_preset_is_on_the_page_with_what_its_card_says():
    facts = {row["name"]: row for row in network_facts()}
    assert facts.keys() == PRESETS.keys()
    assert facts["xlsr_x3"]["steps"] == 50_000 and facts["xlsr_x3"]["has_weights"]
    assert facts["rdn_x2"]["steps"] is None


def test_cost_and_quality_of_a_network():
    found = rows(facts_part([NETWORK]))
    assert ["`abpn_x3`", "abpn", "x3", "42,539", "9.76", "40,000", "arXiv 2105.09750"] in found
    # Rounded are the figures, and the difference of what was not rounded: 33.164 - 33.53.
    assert [row[1:] for row in found if len(row) == 6 and row[0] == "`abpn_x3`"] == [
        ["Set5", "33.16", "33.53", "-0.37", "0.9162"],
        ["Set14", "29.90", "-", "-", "-"],
        ["BSD100", "-", "28.72", "-", "-"],
        ["Own", "30.00", "-", "-", "-"],
    ]


def test_a_network_without_weights_has_no_steps():
    bare = {**NETWORK, "steps": None, "psnr_y_db": {}, "ssim_y": {}, "published_psnr_y_db": {}}
    found = rows(facts_part([bare]))
    assert [row[5] for row in found if row[0] == "`abpn_x3`"] == ["-"]


def test_where_files_run_with_a_note_for_every_reason():
    placements = {
        "abpn_x3": PLACED,
        "odd_x2": Placement(
            "odd_x2",
            False,
            5,
            8,
            3,
            (
                LeftBehind("GATHER", 1, "unknown"),
                LeftBehind("PRELU", 2, "prelu"),
            ),
        ),
        "large_x2": None,
        "whole_x2": Placement("whole_x2", False, 5, 5, 1, ()),
    }
    text = measured_part(placements, runtime="fake 1.0")
    assert text.startswith(MEASURED) and "opened by fake 1.0" in text
    assert rows(text)[2:] == [
        ["`abpn_x3`", "11 of 13", "1", "2 QUANTIZE (a)"],
        ["`odd_x2`", "5 of 8", "3", "1 GATHER (?), 2 PRELU (b)"],
        ["`large_x2`", "not measured", "-", "-"],
        ["`whole_x2`", "5 of 5", "1", "none"],
    ]
    assert [line[:5] for line in text.splitlines() if line.startswith("- ")] == [
        "- (a)",
        "- (b)",
        "- (?)",
    ]
    assert "at most 5" not in text, "no note on what is not there"


@pytest.fixture
def page(tmp_path) -> Path:
    path = tmp_path / "models.md"
    below = measured_part({"abpn_x3": PLACED}, runtime="fake 1.0")
    path.write_text(f"{facts_part([NETWORK])}\n{below}")
    return path


def test_a_page_just_written_is_up_to_date(page):
    assert outdated(page, [NETWORK]) is None
    above, below = read_page(page)
    assert above.startswith("# Networks") and below.startswith(MEASURED)


def test_another_figure_is_found_with_its_line(page):
    better = {**NETWORK, "psnr_y_db": {**NETWORK["psnr_y_db"], "Set5": 33.5}}
    number = 1 + next(
        place for place, line in enumerate(page.read_text().splitlines()) if "33.16" in line
    )
    said = outdated(page, [better])
    assert f"expected line {number} of" in said and "33.50" in said and "33.16" in said


def test_text_written_by_hand_below_the_facts_is_found(page):
    page.write_text(page.read_text().replace(MEASURED, f"A word more.\n\n{MEASURED}"))
    assert "found 'A word more.'" in outdated(page, [NETWORK])


def test_a_network_without_measurement_is_found(page):
    page.write_text(page.read_text().replace("| `abpn_x3` | 11 of 13", "| `old_x3` | 11 of 13"))
    assert "expected abpn_x3 below" in outdated(page, [NETWORK])
    assert not_measured(read_page(page)[1], [NETWORK]) == ["abpn_x3"]


@pytest.mark.parametrize("text", [None, "", "# My networks\n", f"{MEASURED}\n"])
def test_other_text_is_no_page(text, tmp_path):
    if text is not None:
        (tmp_path / "models.md").write_text(text)
    with pytest.raises(OptionError, match=r"sr-bench evidence models|other text"):
        read_page(tmp_path / "models.md")
