import json

import pytest

from sr_models.networks import card as cards
from sr_models.networks import presets
from sr_models.networks.facts import (
    LIST_COLUMNS,
    all_facts,
    figures,
    giga,
    keywords,
    list_facts,
    list_row,
    show_rows,
)
from sr_models.networks.presets import Preset, get_preset


@pytest.fixture
def card(tmp_path, monkeypatch):
    """The card of `abpn_x3`, whose weights folder holds it and stand-ins for the weights."""
    monkeypatch.setattr(presets, "WEIGHTS_FOLDER", tmp_path)
    (tmp_path / "trained").write_bytes(b"weights")
    preset = get_preset("abpn_x3")
    return cards.write_card(
        preset,
        tmp_path / "trained",
        out=preset.weights_path,
        parameters=42_539,
        recipe={"seed": 4, "steps": 9},
        steps=9,
        best_step=8,
        training_loss=None,
        validation_psnr_db=30.0,
        validation_pictures=1,
        data=[cards.DataFolder("Kodak24", 24, "CC0-1.0")],
        evaluation=[
            {"model": "bicubic", "dataset": "Set5", "psnr_y_db": 30.4, "ssim_y": 0.87},
            {"model": "abpn_x3", "dataset": "Set5", "psnr_y_db": 33.167, "ssim_y": 0.91617},
            {"model": "abpn_x3", "dataset": "Old", "psnr_y_db": 31.0},
        ],
    )


def test_facts_of_a_preset_with_weights(card):
    facts = all_facts(get_preset("abpn_x3"), card)
    assert facts["psnr_y_db"] == {"Set5": 33.167, "Old": 31.0}
    assert facts["ssim_y"] == {"Set5": 0.91617}, "older cards may lack it"
    assert facts["has_weights"] is True and facts["weights"].endswith("abpn_x3.weights.h5")
    assert facts["weights_sha256"] == card.weights_sha256 == facts["card"]["weights_sha256"]
    assert facts["recipe"] == {"seed": 4, "steps": 9}, "what was done, not what the preset says"
    assert facts["multiply_adds"] == 9_756_288_000
    assert "2105.09750" in facts["source"]
    json.dumps(facts)
    assert list_facts(get_preset("abpn_x3"), card).items() <= facts.items()


def test_facts_of_a_preset_without_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(presets, "WEIGHTS_FOLDER", tmp_path)
    preset = get_preset("abpn_x3")
    facts = all_facts(preset, None)
    assert facts["psnr_y_db"] == facts["ssim_y"] == {} and facts["has_weights"] is False
    assert facts["weights"] is facts["weights_sha256"] is facts["card"] is None
    assert facts["recipe"] == preset.recipe
    rows = dict(show_rows(preset, None))
    assert rows["weights"] == "none yet: sr-models train abpn_x3 --data DIR"
    assert "SHA-256" not in rows


def test_a_row_of_the_list(card):
    row = list_row(list_facts(get_preset("abpn_x3"), card))
    cells = dict(zip(LIST_COLUMNS, row, strict=True))
    assert cells["multiply-adds, G"] == "9.76" and cells["parameters"] == 42_539
    assert cells["PSNR Y, dB"] == "Set5 33.17, Old 31.00"
    assert cells["published PSNR Y, dB"] == "Set5 33.53, Set14 29.78, BSD100 28.72"


def test_all_that_is_shown(card):
    rows = dict(show_rows(get_preset("abpn_x3"), card))
    assert rows["multiply-adds"] == "9.76 G for a picture of 360x640"
    assert rows["source"].startswith("arXiv 2105.09750")
    assert rows["SSIM Y"] == "Set5 0.9162" and rows["PSNR Y, dB"] == "Set5 33.17, Old 31.00"
    assert rows["SHA-256"] == card.weights_sha256
    assert rows["recipe"] == "seed 4, steps 9" and rows["training loss"] == "-"
    assert rows["data"] == "Kodak24: 24 pictures, licence CC0-1.0"


def test_what_is_not_known_is_a_dash():
    bare = Preset("bare_x2", "bare", {"scale": 2}, "nothing known")
    row = dict(zip(LIST_COLUMNS, list_row(list_facts(bare, None)), strict=True))
    assert row["parameters"] == row["multiply-adds, G"] == row["PSNR Y, dB"] == "-"
    assert (figures({}), keywords({}), giga(None)) == ("-", "-", "-")
    assert dict(show_rows(bare, None))["source"] == "-"
