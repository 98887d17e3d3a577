from dataclasses import fields, replace

import pytest

from export.exporting.file_choices import Files
from export.exporting.settings import (
    DEFAULTS,
    ExportSettings,
    Limits,
    Quantizing,
    Shaping,
)
from export.quantizing.defaults import DEFAULT_RECIPE
from sr_models.ground.errors import OptionError
from sr_models.ground.sizes import Size


@pytest.mark.parametrize(
    "options",
    [
        {"method": "magic"},
        {"method": "cfqp+magic"},
        {"tail": "tanh"},
        {"io": "int4"},
        {"precision": "int3"},
        {"calibrator": "guess"},
        {"minimum_fidelity_db": float("nan")},
        {"minimum_fidelity_db": float("inf")},
        {"minimum_fidelity_db": -1.0},
        {"tile_side": 8},
        {"tile_side": 4096},
        {"max_drop_db": 0.0},
        {"max_drop_db": float("nan")},
        {"pictures": 0},
        {"taming": "wild"},
        {"target": "moon"},
        {"packed_for": "moon"},
        {"made_for": "moon"},
        {"made_for": "arm64-dotprod"},
        {"shuffle": "auto"},
        {"shuffle": "transpose_conv", "precision": "int16x8"},
        {"max_passes": 0},
        {"seed": -1},
        {"precision": "mixed"},
        {"kept": ("last",)},
        {"most_sensitive": 1},
        {"precision": "mixed", "most_sensitive": -1},
        {"precision": "mixed", "most_sensitive": 1, "kept": ("last",)},
        {"precision": "mixed", "kept": ("last",), "kept_precision": "int8"},
    ],
)
def test_unusable_settings_are_refused(options):
    with pytest.raises(OptionError, match="expected"):
        ExportSettings(**options)


def test_the_converters_own_calibrator_leaves_no_room_for_methods():
    with pytest.raises(OptionError, match="give --method natural or leave"):
        ExportSettings(method="natural+adaround", calibrator="converter")


def test_a_float_file_has_a_float_interface():
    assert ExportSettings(precision="float32").files.io == "float32"


def test_only_islands_of_real_numbers_leave_floats_in_an_int8_file():
    def may(**options):
        return ExportSettings(**options).quantizing.may_hold_floats

    assert not may() and not may(precision="int16x8") and may(precision="float32")
    assert may(precision="mixed", most_sensitive=1)
    assert not may(precision="mixed", most_sensitive=1, kept_precision="int16x8")


def test_a_taming_has_the_target_and_the_passes_asked_for():
    taming = ExportSettings(taming="blur", target="set", max_passes=3).shaping.made_taming()
    assert (taming.method, taming.target, taming.max_passes) == ("blur", "set", 3)


def test_defaults_are_the_settings_of_nothing_asked():
    assert ExportSettings() == DEFAULTS


def test_auto_has_a_limit_of_its_own():
    assert ExportSettings(method="auto").limits.max_drop_db == 0.05
    assert ExportSettings(method="auto", max_drop_db=0.1).limits.max_drop_db == 0.1
    assert ExportSettings().limits.max_drop_db is None


@pytest.mark.parametrize("alone", [{"pure": True}, {"calibrator": "converter"}], ids=str)
def test_a_dataset_that_decides_every_range_stands_alone(alone):
    assert ExportSettings(**alone).quantizing.recipe == "cfqp"
    assert ExportSettings(method="natural", **alone).quantizing.recipe == "natural"
    with pytest.raises(OptionError, match=r"alone .*found --method cfqp\+bias; give --method cfqp"):
        ExportSettings(method="cfqp+bias", **alone)


@pytest.mark.parametrize("alone", [{"pure": True}, {"calibrator": "converter"}], ids=str)
def test_one_property_says_that_pictures_decide(alone):
    assert ExportSettings(**alone).quantizing.pictures_decide
    assert not DEFAULTS.quantizing.pictures_decide


def test_a_choice_by_its_name_is_that_of_its_group():
    groups = ExportSettings(
        files=Files(sizes=(Size(90, 160),)),
        quantizing=Quantizing(tail="none"),
        shaping=Shaping(seed=3),
        limits=Limits(max_drop_db=0.1),
    )
    named = ExportSettings(sizes=(Size(90, 160),), tail="none", seed=3, max_drop_db=0.1)
    assert groups == named
    other = replace(named, io="int8", pictures=7)
    assert (other.files.io, other.shaping.pictures, other.shaping.seed) == ("int8", 7, 3)
    with pytest.raises(TypeError, match="did you mean sizes"):
        ExportSettings(size=3)


def test_a_choice_stands_in_one_group():
    groups = (Files, Quantizing, Shaping, Limits)
    names = [choice.name for group in groups for choice in fields(group)]
    assert len(set(names)) == len(names)
    assert list(DEFAULTS.to_json()) == names


def test_a_saved_set_has_made_the_choices_of_shaping_but_the_recipe_is_recorded():
    data = ExportSettings(method="cfqp+bias", seed=5).to_json(saved_set=True)
    assert (data["method"], data["seed"]) == ("cfqp+bias", 5)
    nothing = ("pictures", "tile_side", "taming", "target", "max_passes", "anchors")
    unset = {"max_drop_db", "made_for"}
    assert {name for name, value in data.items() if value is None} == {*nothing, *unset}


def test_on_a_set_of_other_pictures_a_named_recipe_is_refused_and_none_follows_it():
    unnamed = Quantizing().on_set("natural")
    assert unnamed.recipe == DEFAULT_RECIPE.replace("cfqp", "natural")
    assert Quantizing(pure=True).on_set("natural").recipe == "natural"
    with pytest.raises(OptionError, match=r"found one of natural .* give --method natural\+bias"):
        Quantizing(method="cfqp+bias").on_set("natural")
    with pytest.raises(OptionError, match="set of natural pictures for --method pams"):
        Quantizing(method="pams").on_set("cfqp")
    for kept in (Quantizing(method="natural+mse"), Quantizing(method="auto")):
        assert kept.on_set("natural") == kept
