import pytest

from sr_models.ground.errors import OptionError, UnknownModelError
from sr_models.ground.registry import Registry, matching, unknown_name_message


def test_entries_keep_their_order_and_a_name_can_be_taken_once():
    things = Registry("thing")
    assert (things.add("b", 1), things.add("a", 2)) == (1, 2)
    assert list(things.entries().items()) == [("b", 1), ("a", 2)]
    with pytest.raises(ValueError, match="the thing 'a' is registered twice"):
        things.add("a", 3)
    assert things.get("a") == 2


def test_what_is_asked_for_is_loaded_first_and_what_could_be_is_suggested():
    asked = []

    def load(name):
        asked.append(name)
        if name == "late":
            things.add("late", 7)
        return ["later"]

    things = Registry("thing", load=load, error=UnknownModelError)
    assert things.get("late") == 7 and asked == ["late"]
    with pytest.raises(UnknownModelError, match=r"found 'ltaer'; did you mean .*later"):
        things.get("ltaer")


def test_an_unknown_name_is_an_option_that_cannot_be():
    with pytest.raises(OptionError, match="expected a known thing, found 'a'"):
        Registry("thing").get("a")


def test_a_name_far_from_all_lists_what_there_is():
    message = unknown_name_message("thing", "zzz", ["alpha", "beta"])
    assert message == "expected a known thing, found 'zzz'; give one of alpha, beta"
    many = unknown_name_message("layer", "zzz", [f"a{i:02}" for i in range(43)])
    assert many.endswith("a38, a39 and 3 more")


def test_patterns_select_and_sort():
    names = ["xlsr_x3", "abpn_x3", "abpn_x2"]
    assert matching(names, "abpn*") == ["abpn_x2", "abpn_x3"]
    assert matching(names, "*_x3") == ["abpn_x3", "xlsr_x3"]
    assert matching(names, "none*") == []
