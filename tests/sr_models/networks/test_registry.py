import pytest

from sr_models.ground.errors import UnknownModelError
from sr_models.ground.registry import Registry
from sr_models.networks import registry


def test_a_name_can_be_taken_once(monkeypatch):
    monkeypatch.setattr(registry, "_FAMILIES", Registry("network family"))

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
