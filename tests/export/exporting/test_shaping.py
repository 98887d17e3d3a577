from types import SimpleNamespace

import pytest

from export.exporting.settings import ExportSettings
from export.exporting.shaping import build_dataset
from sr_models.ground.errors import AnchorError
from tests.networks import sharpening_network

NETWORK = SimpleNamespace(name="sharpening", scale=2)


def shaped(tiles, *, on_stage=lambda stage: None, **choices):
    settings = ExportSettings(**{"method": "cfqp", **choices})
    model = sharpening_network(strength=0.04)
    return build_dataset(model, tiles, network=NETWORK, settings=settings, on_stage=on_stage)


@pytest.fixture
def no_anchors(monkeypatch):
    def refused(*arguments, **keywords):
        raise AnchorError("expected a spot, found none")

    monkeypatch.setattr("representative_data.cfqp.find_anchors", refused)


@pytest.mark.parametrize("method", ["cfqp", "cfqp+equalize", "auto"])
def test_a_recipe_that_begins_with_cfqp_gets_tamed_pictures_and_anchors(method, tiles):
    found = shaped(tiles, method=method)
    assert found.count("tamed") > 0 and found.count("anchor") > 0
    assert found.network == "sharpening" and found.scale == 2


def test_natural_pictures_are_left_as_they_are(tiles):
    found = shaped(tiles, method="natural")
    assert found.count("natural") == len(tiles) == len(found)


def test_the_set_records_how_its_tiles_were_made(tiles):
    made = shaped(tiles, pictures=7, tile_side=48, seed=3, tail="none").settings
    assert (made["pictures"], made["tile_side"], made["seed"], made["tail"]) == (7, 48, 3, "none")


def test_anchors_are_left_out_on_request(tiles):
    assert shaped(tiles, anchors=False).count("anchor") == 0


def test_a_network_without_anchors_gets_a_set_all_the_same(tiles, no_anchors):
    stages = []
    found = shaped(tiles, on_stage=stages.append)
    assert found.count("anchor") == 0 and found.count("tamed") > 0
    assert any(stage.startswith("doing without anchors") for stage in stages)


@pytest.mark.parametrize("alone", [{"pure": True}, {"calibrator": "converter"}])
def test_where_pictures_alone_tell_the_range_anchors_are_needed(alone, tiles, no_anchors):
    with pytest.raises(AnchorError):
        shaped(tiles, **alone)
