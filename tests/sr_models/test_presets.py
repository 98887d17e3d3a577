import pytest

from sr_models.errors import UnknownModelError
from sr_models.network import build_trunk
from sr_models.presets import PRESETS, get_preset, list_presets
from sr_models.training import recipe_for


@pytest.mark.parametrize("name", PRESETS)
def test_the_data_of_a_preset_agrees_with_its_network(name):
    preset = get_preset(name)
    assert preset.name == name == f"{preset.family}_x{preset.scale}" or "_" in name
    trunk = build_trunk(preset)
    assert trunk.count_params() == preset.parameters
    assert trunk.output_shape[-1] == 3 * preset.scale**2
    assert recipe_for(preset).steps > 0
    assert preset.weights_path.name == f"{name}.weights.h5"
    assert preset.card_path.parent == preset.weights_path.parent


def test_a_wrong_name_suggests_the_nearest():
    with pytest.raises(UnknownModelError, match=r"found 'xlsr3x'; did you mean .*xlsr_x3"):
        get_preset("xlsr3x")


def test_listing_by_pattern():
    assert "xlsr_x3" in list_presets() and "xlsr_x3" in list_presets("xlsr*")
    assert list_presets("nothing*") == []
