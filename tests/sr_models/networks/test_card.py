import hashlib
import json
import math
from pathlib import Path

import pytest

from sr_models.ground.errors import OptionError, OutputError, WeightsError
from sr_models.networks import card as cards


@pytest.fixture
def facts():
    return {
        "parameters": 1234,
        "recipe": {"steps": 10, "seed": 3},
        "steps": 10,
        "best_step": 8,
        "training_loss": 0.1,
        "validation_psnr_db": 29.5,
        "validation_pictures": 1,
        "data": [cards.DataFolder("Kodak24", 24, "not stated")],
        "evaluation": [
            {"model": "bicubic", "dataset": "Set5", "psnr_y_db": 30.4},
            {"model": "tiny_x3", "dataset": "Set5", "psnr_y_db": 33.0, "ssim_y": 0.91},
            {"model": "tiny_x3", "dataset": "Perfect", "psnr_y_db": None},
        ],
    }


@pytest.fixture
def weights(tmp_path):
    (tmp_path / "best.weights.h5").write_bytes(b"weights")
    return tmp_path / "best.weights.h5"


def test_a_card_comes_back_as_it_was_written(tiny_preset, weights, facts, tmp_path):
    out = tmp_path / "new" / "tiny_x3.weights.h5"
    card = cards.write_card(tiny_preset, weights, out=out, **facts)
    assert out.read_bytes() == b"weights"
    assert cards.load_card(tmp_path / "new" / "tiny_x3.json") == card
    assert card.weights_sha256 == hashlib.sha256(b"weights").hexdigest()
    assert (card.name, card.family, card.config) == ("tiny_x3", "xlsr", tiny_preset.config)
    assert card.seed == 3
    assert card.psnr_y_db() == {"Set5": 33.0} and card.ssim_y() == {"Set5": 0.91}
    assert {"python", "tensorflow", "tf-keras", "numpy"} <= card.versions.keys()
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "tiny_x3.json",
        "tiny_x3.weights.h5",
    ]


def test_a_card_has_no_number_that_json_does_not_know(tiny_preset, weights, facts, tmp_path):
    facts["training_loss"] = math.nan
    facts["evaluation"] = [{"model": "tiny_x3", "dataset": "a", "psnr_y_db": math.inf}]
    out = tmp_path / "tiny_x3.weights.h5"
    cards.write_card(tiny_preset, weights, out=out, **facts)
    text = cards.card_path_of(out).read_text()
    assert "NaN" not in text and "Infinity" not in text
    assert cards.parse_card(text).training_loss is None
    assert cards.parse_card(text).psnr_y_db() == {}


def test_missing_weights_leave_no_card(tiny_preset, facts, tmp_path):
    with pytest.raises(WeightsError, match="found no file"):
        cards.write_card(tiny_preset, tmp_path / "absent", out=tmp_path / "a.weights.h5", **facts)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_keeps_the_old_pair(
    tiny_preset, weights, facts, tmp_path
):
    out = tmp_path / "old.weights.h5"
    before = cards.write_card(tiny_preset, weights, out=out, **facts)
    out.unlink()
    out.mkdir()
    weights.write_bytes(b"other")
    with pytest.raises(OutputError, match="folder"):
        cards.write_card(tiny_preset, weights, out=out, **facts)
    assert cards.load_card(tmp_path / "old.json") == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"name": "a"}', '{"data": [1], "evaluation": []}', "\0"],
)
def test_other_text_is_no_card(text, tmp_path):
    with pytest.raises(WeightsError, match="found other content in a place"):
        cards.parse_card(text, source="a place")


def test_a_missing_card(tmp_path, tiny_preset):
    with pytest.raises(WeightsError, match="no readable file"):
        cards.load_card(tmp_path / "absent.json")
    assert cards.find_card(tiny_preset) is None


def test_fields_of_later_versions_are_passed_over(tiny_preset, weights, facts, tmp_path):
    card = cards.write_card(tiny_preset, weights, out=tmp_path / "a.weights.h5", **facts)
    later = {**card.to_json(), "colour": "blue"}
    assert cards.parse_card(json.dumps(later)) == card


@pytest.mark.parametrize("name", ["a.h5", "a.weights", "weights.h5", ".weights.h5", "a.keras"])
def test_weights_have_their_suffix(name):
    with pytest.raises(OptionError, match=r"ends in \.weights\.h5"):
        cards.require_weights_name(name)
    assert cards.card_path_of("x/a.b.weights.h5") == Path("x/a.b.json")


def test_data_is_counted_by_folder_with_the_licences_given(tmp_path):
    root = tmp_path / "train"
    paths = [root / "T91" / "a.png", root / "T91" / "deep" / "b.png", root / "c.png"]
    found = cards.data_folders(paths, root, licences={"T91": "CC0-1.0", "other": "MIT"})
    assert found == (
        cards.DataFolder("T91", 2, "CC0-1.0"),
        cards.DataFolder("train", 1, "not stated"),
    )


def test_licences_as_json_or_as_lines(tmp_path):
    expected = {"T91": "not stated", "photos": "CC0-1.0: see README"}
    lines = "# by hand\n\nT91: not stated\nphotos : CC0-1.0: see README\n"
    assert cards.parse_licences(lines) == expected
    assert cards.parse_licences(json.dumps(expected)) == expected
    (tmp_path / "licences").write_text(lines)
    assert cards.read_licences(tmp_path / "licences") == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("T91 not stated", "line 1 .*'T91 not stated'"),
        ("a: b\n: c", "line 2"),
        ("a:", "line 1"),
        ("{", "a mistake"),
        ('{"a": 1}', "other values"),
    ],
)
def test_licences_that_cannot_be_read(text, found, tmp_path):
    with pytest.raises(OptionError, match=found):
        cards.parse_licences(text)
    with pytest.raises(OptionError, match="unreadable"):
        cards.read_licences(tmp_path / "absent")
