"""Int8 files raised to the precision that an export asks for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from export.inspecting.audit import missing_ranges
from export.precision.kept_layers import operators_of_layers, raise_all, raise_layers
from export.precision.sensitivity import measure_sensitivity
from export.precision.sensitivity import most_sensitive as most_sensitive_of
from export.quantizing.quantized_network import Evidence, QuantizedNetwork, observe
from export.quantizing.recipe import Recipe, parse_recipe
from sr_models.ground.errors import ConversionError, OptionError
from sr_models.tflite.flatbuffer import read_graph

_EXACT_STAGES = ("network", "ranges")
"""Stages of a recipe that leave the network's function as it is."""

PICTURES = 16
"""How many pictures decide which layers are the most sensitive."""


def raise_files(
    contents: Sequence[bytes],
    model,
    network: QuantizedNetwork | None,
    evidence: Evidence,
    *,
    kept: Sequence[str] | None,
    most_sensitive: int = 0,
    kept_precision: str = "float32",
    on_stage: Callable[[str], None] = lambda stage: None,
) -> list[bytes]:
    """Int8 files with layers in a higher precision: all of them, or some.

    Args:
        contents: The int8 files of one network, a file for each size.
        model: The float network that they were made from.
        network: The weights and ranges written into them; `None` where the converter found ranges.
        evidence: The pictures.
        kept: Names of the layers that are raised; `None` raises all of them to 16-bit
            activations.
        most_sensitive: How many are raised where none is named.
        kept_precision: What they are raised to, one of `kept_precisions.KEPT_PRECISIONS`.
        on_stage: Called with what begins next.

    Raises:
        ConversionError: An int8 file does not have the ranges that it was given.
        OptionError: A layer that cannot be kept.
    """
    for content in contents if network is not None else ():
        if missing := missing_ranges(content, network.ranges):
            raise ConversionError(
                "expected the converter to take over every range, found none of "
                f"{', '.join(missing)}; report the network and TensorFlow's version"
            )
    if kept is None:
        on_stage("raising activations to 16 bits")
        return [raise_all(content) for content in contents]
    exact = unrounded(model, network, evidence)
    if kept:
        names = _present(kept, exact)
    else:
        computing = operators_of_layers(read_graph(contents[0]), exact.model)
        if most_sensitive > len(computing):
            raise OptionError(
                f"expected at most the {len(computing)} layers that compute to be kept, found "
                f"{most_sensitive}; keep fewer, or all by --precision "
                f"{kept_precision}"
            )
        names = sensitive_layers(exact, evidence, most_sensitive, among=computing)
    on_stage(f"keeping {', '.join(names)} in {kept_precision}")
    return [
        raise_layers(
            content,
            exact.model,
            names,
            precision=kept_precision,
            float_model=exact.model,
        )
        for content in contents
    ]


def unrounded(model, network: QuantizedNetwork | None, evidence: Evidence) -> QuantizedNetwork:
    """The network by the part of its recipe that changes weights but not the function.

    Its weights stand in the same proportions to each other as the quantized network's, so that
    layers of both can be mixed.
    """
    if network is None:
        return observe(model, evidence)
    recipe = parse_recipe(network.ranges.method)
    kept = tuple(method for method in recipe.methods if method.stage in _EXACT_STAGES)
    return Recipe(recipe.dataset, kept).apply(model, evidence)


def _present(names: Sequence[str], network: QuantizedNetwork) -> list[str]:
    """Layers by the names that a recipe has left them; a layer in groups is all of its groups."""
    known = [layer.name for layer in network.model.layers]
    found = {
        name: [
            layer
            for layer in known
            if layer == name or (name not in known and layer.startswith(f"{name}_group"))
        ]
        for name in names
    }
    for name, layers in found.items():
        if not layers:
            raise OptionError(
                f"expected layers that the recipe {network.ranges.method} leaves in the network, "
                f"found {name}; keep the convolutions beside it, or give another --method"
            )
    return [layer for layers in found.values() for layer in layers]


def sensitive_layers(
    network: QuantizedNetwork, evidence: Evidence, count: int, *, among: Collection[str]
) -> list[str]:
    """Names of the layers, of those given, that cost most fidelity when quantized alone."""
    rows = measure_sensitivity(network.model, network.ranges, evidence.pictures[:PICTURES])
    return most_sensitive_of([row for row in rows if row.layer in among], count)
