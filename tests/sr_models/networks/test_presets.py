import json
from dataclasses import asdict

import pytest

from sr_models.ground.errors import UnknownModelError
from sr_models.networks.card import find_card
from sr_models.networks.cost import multiply_adds
from sr_models.networks.network import build_trunk
from sr_models.networks.presets import PRESETS, get_preset, list_presets
from sr_models.networks.registry import get_family
from sr_models.training.recipe import recipe_for


@pytest.mark.parametrize("name", PRESETS)
def test_the_data_of_a_preset_agrees_with_its_network(name):
    preset = get_preset(name)
    assert preset.name == name
    assert name.split("_")[0] == preset.family and name.split("_")[-1] == f"x{preset.scale}"
    trunk = build_trunk(preset)
    assert trunk.count_params() == preset.parameters
    assert multiply_adds(trunk) == preset.multiply_adds
    assert trunk.output_shape[-1] == 3 * preset.scale**2
    assert get_family(preset.family).source in preset.source
    assert recipe_for(preset).steps > 0
    assert preset.weights_path.name == f"{name}.weights.h5"
    assert preset.card_path.parent == preset.weights_path.parent


def test_a_shipped_card_is_of_its_preset():
    cards = {name: find_card(preset) for name, preset in PRESETS.items()}
    shipped = {name: card for name, card in cards.items() if card is not None}
    assert {"abpn_x3", "xlsr_x3"} <= shipped.keys()
    for name, card in shipped.items():
        preset = get_preset(name)
        assert (card.name, card.family, card.config) == (name, preset.family, preset.config)
        assert card.parameters == preset.parameters
        # As JSON has it: lists for tuples. Cards may be older than some values of a recipe.
        recipe = json.loads(json.dumps(asdict(recipe_for(preset))))
        assert {key: recipe[key] for key in card.recipe} == card.recipe, name
        assert card.steps == recipe["steps"]


def test_cards_older_than_a_choice_of_optimizer_are_of_adam():
    for name in ("abpn_x3", "xlsr_x3"):
        card = find_card(get_preset(name))
        assert "optimizer" in card.recipe or recipe_for(get_preset(name)).optimizer == "adam"


@pytest.mark.parametrize("name", list_presets("edsr_baseline*") + list_presets("rdn*"))
def test_large_networks_train_as_their_papers_have_it(name):
    recipe = recipe_for(get_preset(name))
    assert (recipe.optimizer, recipe.learning_rate, recipe.batch_size) == ("adam", 1e-4, 16)
    assert (recipe.loss, recipe.schedule) == ("l1", "step")


def test_ncnet_is_found_under_its_family():
    assert get_preset("abpn_ncnet_x3").config == {"scale": 3, "width": 32, "anchor": "conv"}
    with pytest.raises(UnknownModelError, match=r"did you mean .*abpn_ncnet_x3"):
        get_preset("ncnet_x3")


def test_a_wrong_name_suggests_the_nearest():
    with pytest.raises(UnknownModelError, match=r"found 'xlsr3x'; did you mean .*xlsr_x3"):
        get_preset("xlsr3x")


def test_listing_by_pattern():
    assert "xlsr_x3" in list_presets() and "xlsr_x3" in list_presets("xlsr*")
    assert list_presets("nothing*") == []
