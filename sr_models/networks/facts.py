"""What is known about a preset and its shipped weights, as data and as the rows of tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sr_models.networks.card import Card
from sr_models.networks.presets import Preset

LIST_COLUMNS = (
    "name",
    "scale",
    "parameters",
    "multiply-adds, G",
    "PSNR Y, dB",
    "published PSNR Y, dB",
    "description",
)


def list_facts(preset: Preset, card: Card | None) -> dict[str, Any]:
    """What a list says of a preset; figures are of the card, and empty without one."""
    return {
        "name": preset.name,
        "family": preset.family,
        "scale": preset.scale,
        "parameters": card.parameters if card else preset.parameters,
        "multiply_adds": preset.multiply_adds,
        "description": preset.description,
        "source": preset.source,
        "has_weights": preset.weights_path.is_file(),
        "psnr_y_db": card.psnr_y_db() if card else {},
        "ssim_y": card.ssim_y() if card else {},
        "published_psnr_y_db": preset.published_psnr_y_db,
    }


def all_facts(preset: Preset, card: Card | None) -> dict[str, Any]:
    """`list_facts` with configuration, recipe, weights and the whole card."""
    return {
        **list_facts(preset, card),
        "config": preset.config,
        "recipe": card.recipe if card else preset.recipe,
        "weights": str(preset.weights_path) if preset.weights_path.is_file() else None,
        "weights_sha256": card.weights_sha256 if card else None,
        "card": card.to_json() if card else None,
    }


def list_row(facts: Mapping[str, Any]) -> list[Any]:
    """The cells below `LIST_COLUMNS`, from `list_facts`."""
    return [
        facts["name"],
        f"x{facts['scale']}",
        facts["parameters"] or "-",
        giga(facts["multiply_adds"]),
        figures(facts["psnr_y_db"]),
        figures(facts["published_psnr_y_db"]),
        facts["description"],
    ]


def show_rows(preset: Preset, card: Card | None) -> list[list[str]]:
    """Fact and value, for all that is known."""
    facts = all_facts(preset, card)
    rows = [
        ["description", preset.description],
        ["family", preset.family],
        ["source", preset.source or "-"],
        ["scale", f"x{preset.scale}"],
        ["configuration", keywords(preset.config)],
        ["parameters", f"{facts['parameters']:,}" if facts["parameters"] else "-"],
        ["multiply-adds", f"{giga(preset.multiply_adds)} G for a picture of 360x640"],
        ["recipe", keywords(facts["recipe"])],
        ["published PSNR Y, dB", figures(preset.published_psnr_y_db)],
        ["weights", facts["weights"] or f"none yet: sr-models train {preset.name} --data DIR"],
    ]
    if card is None:
        return rows
    loss = "-" if card.training_loss is None else f"{card.training_loss:.5f}"
    data = [f"{d.folder}: {d.pictures} pictures, licence {d.licence}" for d in card.data]
    return [
        *rows,
        ["SHA-256", card.weights_sha256],
        ["PSNR Y, dB", figures(card.psnr_y_db())],
        ["SSIM Y", figures(card.ssim_y(), decimals=4)],
        ["trained", f"{card.steps} steps, best at {card.best_step}, seed {card.seed}"],
        ["training loss", loss],
        ["validation PSNR", f"{card.validation_psnr_db:.2f} dB"],
        *(["data", line] for line in data),
        ["made with", keywords(card.versions)],
    ]


def giga(multiply_adds: int | None) -> str:
    """In thousands of millions, two decimals; `-` where unknown."""
    return "-" if multiply_adds is None else f"{multiply_adds / 1e9:.2f}"


def figures(by_dataset: Mapping[str, float], *, decimals: int = 2) -> str:
    """`Set5 33.17, Set14 29.61`; `-` for none."""
    found = (f"{dataset} {value:.{decimals}f}" for dataset, value in by_dataset.items())
    return ", ".join(found) or "-"


def keywords(values: Mapping[str, Any]) -> str:
    """`steps 50000, batch_size 8`; `-` for none."""
    return ", ".join(f"{key} {value}" for key, value in values.items()) or "-"


HEIGHT, WIDTH = 360, 640
"""The input size that figures are given for: 1080p at x3, as in the mobile SR challenges."""


def multiply_adds(model, *, height: int = HEIGHT, width: int = WIDTH) -> int:
    """Multiplications by weights of convolutions and dense layers; nothing is run.

    Each comes with one addition, hence the name. Biases, activations (slopes of a PReLU too),
    additions and moved pixels are left out, as is usual; padded zeros are counted, as is usual too.

    Args:
        model: Functional Keras network (N, H, W, C). Figures of presets are those of the deployed
            trunk, since an output tail is a choice of the export.
        height: Input height in pixels.
        width: Input width in pixels.

    Raises:
        TypeError: A layer has weights, and what it does with them is not known here.
    """
    # A list of presets is told without TensorFlow.
    from sr_models.networks.graph import points, rebuild

    shape = (1, height, width, model.input.shape[-1])
    graph = points(rebuild(model, lambda _, tensor: tensor, batch_shape=shape))
    return sum(
        _weight_uses(point.layer, graph[point.inputs[0]].tensor.shape, point.tensor.shape)
        for point in graph.values()
        if point.layer is not None
    )


def _weight_uses(layer, shape_in, shape_out) -> int:
    from tf_keras import layers

    if not layer.weights or isinstance(layer, layers.PReLU):
        return 0
    if isinstance(layer, layers.Conv2DTranspose):
        # Every input pixel meets every weight once. Tools that count the whole kernel for every
        # output pixel count the zeros between input pixels too.
        return math.prod(shape_in[1:3]) * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.DepthwiseConv2D):
        return math.prod(shape_out[1:3]) * math.prod(layer.depthwise_kernel.shape)
    # The kernel of a grouped convolution has the input channels of one group only.
    if isinstance(layer, (layers.Conv2D, layers.Dense)):
        return math.prod(shape_out[1:-1]) * math.prod(layer.kernel.shape)
    raise TypeError(
        f"expected convolutions and dense layers, found {type(layer).__name__} {layer.name}; "
        "give the deployed form, or teach sr_models.networks.facts this layer"
    )
