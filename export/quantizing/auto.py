"""The cheapest recipe that loses no more than was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from export.quantizing.defaults import IN_ORDER_OF_COST
from export.quantizing.quantized_network import Evidence, QuantizedNetwork
from export.quantizing.recipe import Recipe, parse_recipe

Judge = Callable[[QuantizedNetwork], float]


@dataclass(frozen=True)
class Choice:
    """What was chosen, and why.

    Attributes:
        recipe: The first that met the demand, or the best of all where none did.
        network: What it made.
        drop_db: What it loses, as the judge measured.
        tried: Recipe -> drop in dB, in the order they were tried.
    """

    recipe: Recipe
    network: QuantizedNetwork
    drop_db: float
    tried: dict[str, float]


def choose_recipe(
    model,
    evidence: Evidence,
    *,
    judge: Judge,
    max_drop_db: float,
    names: tuple[str, ...] = IN_ORDER_OF_COST,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Choice:
    """Apply recipes in order of cost until one is good enough.

    Args:
        model: Float network with its output tail.
        evidence: What recipes may look at. The judge's pictures are no part of it.
        judge: What a network loses, in dB; less is better.
        max_drop_db: What may be lost.
        names: Recipes, the cheapest first.
        on_stage: Called with what begins next.
    """
    tried: dict[str, float] = {}
    best: Choice | None = None
    for name in names:
        recipe = parse_recipe(name)
        network = recipe.apply(model, evidence, on_stage=on_stage)
        tried[name] = judge(network)
        on_stage(f"{name} loses {tried[name]:.3f} dB on pictures held out")
        # Said this way round, a drop that is no number is never kept.
        if best is None or not tried[name] >= best.drop_db:
            best = Choice(recipe, network, tried[name], tried)
        if tried[name] <= max_drop_db:
            break
    return best
