import pytest

from export.quantizing import auto
from export.quantizing.auto import choose_recipe
from export.quantizing.defaults import DEFAULT_RECIPE, IN_ORDER_OF_COST
from export.quantizing.recipe import parse_recipe


class FakeRecipe:
    """Stands in for a recipe: its network is its name."""

    def __init__(self, name):
        self.name = name

    def apply(self, model, evidence, *, on_stage):
        return self.name


@pytest.fixture
def choose(monkeypatch):
    monkeypatch.setattr(auto, "parse_recipe", FakeRecipe)

    def run(drops, limit):
        return choose_recipe(
            None, None, judge=drops.__getitem__, max_drop_db=limit, names=tuple(drops)
        )

    return run


DROPS = {"cheap": 0.2, "middle": 0.04, "dear": 0.01}


@pytest.mark.parametrize(("limit", "chosen"), [(0.3, "cheap"), (0.05, "middle"), (0.01, "dear")])
def test_the_first_that_meets_the_demand_is_taken(limit, chosen, choose):
    found = choose(DROPS, limit)
    assert found.network == chosen and found.drop_db == DROPS[chosen]
    assert list(found.tried)[-1] == chosen, "and nothing dearer is tried"


def test_where_none_meets_it_the_best_is_kept(choose):
    found = choose({"a": 0.3, "b": 0.1, "c": 0.2}, 0.05)
    assert (found.network, found.drop_db) == ("b", 0.1)
    assert found.tried == {"a": 0.3, "b": 0.1, "c": 0.2}


def test_an_undefined_drop_meets_nothing(choose):
    assert choose({"a": float("nan"), "b": 0.01}, 0.05).network == "b"


def test_every_recipe_it_tries_exists():
    assert DEFAULT_RECIPE in IN_ORDER_OF_COST
    assert [str(parse_recipe(name)) for name in IN_ORDER_OF_COST] == list(IN_ORDER_OF_COST)
