import pytest

from export.settings import DEFAULTS, ExportSettings
from sr_models.errors import OptionError


@pytest.mark.parametrize(
    "options",
    [
        {"method": "magic"}, {"method": "cfqp+magic"}, {"tail": "tanh"}, {"io": "int4"},
        {"precision": "int3"}, {"calibrator": "guess"}, {"height": 0}, {"width": -1},
        {"max_drop_db": 0.0}, {"max_drop_db": float("nan")}, {"pictures": 0},
        {"taming": "wild"}, {"seed": -1},
    ],
)  # fmt: skip
def test_unusable_settings_are_refused(options):
    with pytest.raises(OptionError, match="expected"):
        ExportSettings(**options)


def test_the_converters_own_calibrator_leaves_no_room_for_methods():
    with pytest.raises(OptionError, match="give --method natural or leave"):
        ExportSettings(method="natural+adaround", calibrator="converter")


def test_a_float_file_has_a_float_interface():
    assert ExportSettings(precision="float32").io == "float32"


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
