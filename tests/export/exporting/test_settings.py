import pytest

from export.exporting.settings import DEFAULTS, ExportSettings
from sr_models.ground.errors import OptionError


@pytest.mark.parametrize(
    "options",
    [
        {"method": "magic"},
        {"method": "cfqp+magic"},
        {"tail": "tanh"},
        {"io": "int4"},
        {"precision": "int3"},
        {"calibrator": "guess"},
        {"height": 0},
        {"width": -1},
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
    assert ExportSettings(precision="float32").io == "float32"


def test_only_islands_of_real_numbers_leave_floats_in_an_int8_file():
    def may(**options):
        return ExportSettings(**options).may_hold_floats

    assert not may() and not may(precision="int16x8") and may(precision="float32")
    assert may(precision="mixed", most_sensitive=1)
    assert not may(precision="mixed", most_sensitive=1, kept_precision="int16x8")


def test_a_taming_has_the_target_and_the_passes_asked_for():
    taming = ExportSettings(taming="blur", target="set", max_passes=3).made_taming()
    assert (taming.method, taming.target, taming.max_passes) == ("blur", "set", 3)


def test_defaults_are_the_settings_of_nothing_asked():
    assert ExportSettings() == DEFAULTS


def test_auto_has_a_limit_of_its_own():
    assert ExportSettings(method="auto").max_drop_db == 0.05
    assert ExportSettings(method="auto", max_drop_db=0.1).max_drop_db == 0.1
    assert ExportSettings().max_drop_db is None


@pytest.mark.parametrize("alone", [{"pure": True}, {"calibrator": "converter"}], ids=str)
def test_a_dataset_that_decides_every_range_stands_alone(alone):
    assert ExportSettings(**alone).method == "cfqp"
    assert ExportSettings(method="natural", **alone).method == "natural"
    with pytest.raises(OptionError, match=r"alone .*found --method cfqp\+bias; give --method cfqp"):
        ExportSettings(method="cfqp+bias", **alone)
