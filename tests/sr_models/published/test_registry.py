import numpy as np
import pytest

from sr_models.ground.errors import CalibrationError, OptionError
from sr_models.published.registry import (
    CalibrationPictures,
    get_quantizer,
    quantization_methods,
    register_quantizer,
    simulate_method,
)

BATCHES = [np.zeros((1, 8, 8, 3), np.float32)]


def test_all_methods_are_known_and_say_where_they_come_from():
    assert quantization_methods() == [
        "minmax",
        "pams",
        "outlier-aware",
        "outlier-aware-budgeted",
        "dfsq",
    ]
    assert get_quantizer("dfsq").source == "arXiv 2305.05888"
    assert [n for n in quantization_methods() if get_quantizer(n).trains] == ["pams"]


def test_the_pictures_of_the_released_codes_are_known():
    found = {n: get_quantizer(n).pictures for n in quantization_methods()}
    assert found["outlier-aware"] == CalibrationPictures(100, 384, 16)
    assert found["dfsq"] == CalibrationPictures(32, 192, 16)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(OptionError, match=r"found 'dsfq'; did you mean dfsq"):
        get_quantizer("dsfq")


def test_a_name_is_registered_once():
    quantization_methods()
    with pytest.raises(ValueError, match="'pams' is registered twice"):
        register_quantizer("pams", source="test", pictures=CalibrationPictures(1, 48))(print)


@pytest.mark.parametrize("bits", [1, 17])
def test_bits_and_pictures_are_looked_at_first(bits):
    with pytest.raises(OptionError, match="2 to 16"):
        simulate_method("dfsq", None, batches=BATCHES, bits=bits)
    with pytest.raises(OptionError, match="expected a recipe of default, published, found 'paper'"):
        simulate_method("dfsq", None, batches=BATCHES, bits=4, recipe="paper")
    with pytest.raises(CalibrationError, match="found none; give some"):
        simulate_method("dfsq", None, batches=[], bits=4)
