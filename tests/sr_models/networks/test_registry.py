import pytest

from sr_models.ground.errors import UnknownModelError
from sr_models.networks import registry


def test_a_name_can_be_taken_once(monkeypatch):
    monkeypatch.setattr(registry, "_FAMILIES", {})

    @registry.register_family("net", source="nowhere")
    def build(config, *, form="deploy"):
        """A network."""

    assert registry.get_family("net").build is build
    with pytest.raises(ValueError, match="'net' is registered twice"):
        registry.register_family("net", source="elsewhere")(build)


def test_known_families_are_there_without_importing_them():
    family = registry.get_family("xlsr")
    assert family.name == "xlsr" and "2105.10288" in family.source


def test_an_unknown_family_suggests_the_nearest():
    with pytest.raises(UnknownModelError, match=r"found 'xslr'; did you mean .*xlsr"):
        registry.get_family("xslr")


def test_a_name_far_from_all_lists_what_there_is():
    message = registry.unknown_name_message("thing", "zzz", ["alpha", "beta"])
    assert message == "expected a known thing, found 'zzz'; give one of alpha, beta"
    many = registry.unknown_name_message("layer", "zzz", [f"a{i:02}" for i in range(43)])
    assert many.endswith("a38, a39 and 3 more")


def test_patterns_select_and_sort():
    names = ["xlsr_x3", "abpn_x3", "abpn_x2"]
    assert registry.matching(names, "abpn*") == ["abpn_x2", "abpn_x3"]
    assert registry.matching(names, "*_x3") == ["abpn_x3", "xlsr_x3"]
    assert registry.matching(names, "none*") == []
