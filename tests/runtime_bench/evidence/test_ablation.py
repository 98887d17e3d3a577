import json
from dataclasses import asdict, fields

import pytest

from representative_data.tiles import load_tiles
from runtime_bench.evidence.ablation import VARIED, CalibrationChoice, ablate, choices
from sr_models.ground.errors import OptionError
from sr_models.ground.pixel_range import PIXEL_TOLERANCE
from tests.networks import sharpening_network


@pytest.fixture(scope="module")
def ablated(picture_folder):
    """Run an ablation on small tiles: `ablated(strength, **keywords)`."""

    def cut(choice):
        return load_tiles(
            picture_folder, scale=2, count=min(choice.pictures, 8), side=32, seed=choice.seed
        )

    held_out = [t.pixels for t in load_tiles(picture_folder, scale=2, count=4, side=32, seed=9)]

    def run(strength, **keywords):
        return ablate(
            sharpening_network(strength=strength),
            network="sharpening",
            scale=2,
            cut=cut,
            held_out=held_out,
            **keywords,
        )

    return run


@pytest.fixture(scope="module")
def rows(ablated):
    found = ablated(0.2, varied=("taming", "target", "anchors"))
    return {(row.varied, getattr(row.choice, row.varied or "seed")): row for row in found}


def test_every_choice_is_varied():
    assert set(VARIED) == {field.name for field in fields(CalibrationChoice)}
    assert VARIED["pictures"] == (1, 4, 16, 256) and CalibrationChoice().pictures == 64


def test_one_choice_changes_at_a_time():
    base = CalibrationChoice()
    planned = choices(base, list(VARIED))
    assert planned[0] == ("", base)
    for name, choice in planned[1:]:
        changed = set(asdict(choice).items()) - set(asdict(base).items())
        assert [field for field, _ in changed] == [name]
    assert len({choice for _, choice in planned}) == len(planned)


def test_an_unknown_choice_is_refused():
    with pytest.raises(OptionError, match="found weather"):
        choices(CalibrationChoice(), ["taming", "weather"])


def test_natural_pictures_break_the_contract_and_taming_keeps_it(rows):
    natural, base = rows["taming", "natural"], rows["", 0]
    assert not natural.contract.holds and base.contract.holds
    assert natural.output_range[1] > 1.1
    assert base.output_range[1] == pytest.approx(1.0, abs=PIXEL_TOLERANCE)
    # Codes that are no pixels cost much; with pinned ends little is left to lose.
    assert natural.pure_fidelity_db < base.pure_fidelity_db - 10
    assert natural.fidelity_db == pytest.approx(base.fidelity_db, abs=3)


def test_without_anchors_the_input_shrinks_which_pinning_mends(rows):
    row, base = rows["anchors", False], rows["", 0]
    assert row.input_range[1] < 1.0 and row.contract.input.scale_error < -1.0
    assert row.counts["anchor"] == 0 and base.counts["anchor"] == 2
    assert row.saturating_fraction > base.saturating_fraction == 0.0
    assert row.pure_fidelity_db < base.pure_fidelity_db - 5
    assert row.fidelity_db == pytest.approx(base.fidelity_db, abs=0.5)


def test_a_shared_change_touches_all_pictures(rows):
    assert rows["target", "set"].counts["tamed"] == 8
    assert rows["target", "set"].counts["kept"] == 0


def test_a_choice_that_leaves_no_set_is_a_row_that_says_why(ablated):
    (row,) = ablated(0.9, base=CalibrationChoice(taming="select"), varied=())
    assert row.counts is None and "--taming contrast" in row.failure


def test_rows_are_plain_data(rows):
    data = [json.loads(json.dumps(row.to_json())) for row in rows.values()]
    base = data[0]
    assert base["choice"]["taming"] == "contrast" and base["contract"]["holds"] is True
    assert base["passes"] > 1
