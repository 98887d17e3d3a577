import pytest

from sr_models.ground.errors import OptionError, require_known


@pytest.mark.parametrize("known", [("relu", "prelu"), {"relu": 1, "prelu": 2}])
def test_a_known_one_is_passed_through(known):
    assert require_known("an activation", "prelu", known) == "prelu"


@pytest.mark.parametrize("value", ["gelu", "", "ReLU", "relu, prelu"])
def test_another_is_answered_with_all_that_are_known(value):
    with pytest.raises(OptionError) as caught:
        require_known("an activation", value, ("relu", "prelu"))
    assert str(caught.value) == f"expected an activation of relu, prelu, found {value!r}"
