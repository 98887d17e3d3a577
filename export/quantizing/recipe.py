"""Recipes: a representative dataset and the methods that follow it, spelled in one name.

`cfqp+equalize+mse+adaround` reads: pictures tamed by CFQP; channels equalized; ranges of least
squared error; weights rounded by AdaRound's objective. Where no method names ranges, they are
min/max. A published method that brings its own is a recipe by itself: `pams` reads `natural+pams`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from export.quantizing.registry import STAGES, Method, get_method, outlines
from sr_models.ground.errors import OptionError
from sr_models.ground.registry import unknown_name_message

if TYPE_CHECKING:
    from export.quantizing.quantized_network import Evidence, QuantizedNetwork

NATURAL = "natural"
DATASETS = ("cfqp", NATURAL)
AUTO = "auto"
SEPARATOR = "+"


@dataclass(frozen=True)
class Recipe:
    """What is done to a network before it is converted.

    Attributes:
        dataset: Which pictures decide min/max ranges: `"cfqp"` (tamed) or `"natural"`.
        methods: What follows, in this order.
    """

    dataset: str
    methods: tuple[Method, ...]

    def __str__(self) -> str:
        return SEPARATOR.join([self.dataset, *(method.name for method in self.methods)])

    @property
    def changes_layers(self) -> tuple[str, ...]:
        """Names of its methods that may put other layers in the place of the network's own."""
        return tuple(method.name for method in self.methods if method.changes_layers)

    def without(self, names: Collection[str]) -> Recipe:
        """The same with some methods left out."""
        return replace(self, methods=tuple(m for m in self.methods if m.name not in names))

    def apply(
        self, model, evidence: Evidence, *, on_stage: Callable[[str], None] = lambda stage: None
    ) -> QuantizedNetwork:
        """Weights and ranges for a float network, which is left as it is.

        Args:
            model: Float functional Keras model, output tail included.
            evidence: The pictures; its dataset is of the kind that `dataset` names.
            on_stage: Called with what begins next.

        Raises:
            NetworkError: A layer with weights is called more than once, and a method changes
                weights.
        """
        # Names of recipes are looked at before TensorFlow is loaded.
        from export.quantizing.quantized_network import observe
        from sr_models.networks.graph import require_own_layers

        if any(method.stage != "ranges" for method in self.methods):
            require_own_layers(model)
        network = observe(model, evidence)
        for method in self.methods:
            on_stage(f"quantizing: {method.name}")
            network = _pinned(method.apply(network, evidence), evidence)
        return network.renamed(str(self))


def _pinned(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    from export.quantizing.quantized_network import QuantizedNetwork

    return QuantizedNetwork(network.model, lambda: evidence.pin(network.ranges, network.model))


def dataset_of(name: str) -> str:
    """The representative dataset that a recipe starts with; CFQP's for `"auto"`."""
    return DATASETS[0] if name == AUTO else _parts_of(name)[0]


def _parts_of(name: str) -> list[str]:
    """The dataset, and the names of what follows it."""
    parts = [part.strip() for part in name.split(SEPARATOR)]
    alone = parts[0] not in DATASETS and _is_alone(parts[0])
    return [NATURAL, *parts] if alone else parts


def _is_alone(name: str) -> bool:
    method = outlines().get(name)
    return method is not None and method.alone


def parse_recipe(name: str) -> Recipe:
    """The recipe of a name such as `"cfqp+equalize+adaround"`; see `require_recipe`."""
    dataset, *parts = require_recipe(name)
    return Recipe(dataset, tuple(get_method(part) for part in parts))


def require_recipe(name: str) -> list[str]:
    """The dataset and the methods that a recipe names; no method is imported.

    Raises:
        OptionError: An unknown part, one given twice, or parts in an order that cannot be.
    """
    dataset, *parts = _parts_of(name)
    if dataset not in DATASETS:
        raise OptionError(unknown_name_message("dataset at a method's start", dataset, DATASETS))
    known = outlines()
    for part in parts:
        if part not in known:
            raise OptionError(unknown_name_message("method", part, known))
    stages = {part: STAGES.index(known[part].stage) for part in parts}
    ordered = sorted(parts, key=stages.get)
    if parts != ordered:
        raise OptionError(
            f"expected methods in the order {', '.join(STAGES)}, found {name}; "
            f"give {SEPARATOR.join([dataset, *ordered])}"
        )
    if len(set(parts)) < len(parts):
        raise OptionError(f"expected each method once, found {name}; leave the second out")
    found = [part for part in parts if known[part].stage == "ranges"]
    if len(found) > 1:
        raise OptionError(
            f"expected at most one method that finds ranges, found {', '.join(found)}; give one"
        )
    return [dataset, *parts]
