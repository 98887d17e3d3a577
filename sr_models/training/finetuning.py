"""Starting from trained weights: of the same network, or of another one with like layers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sr_models.ground.errors import UnknownModelError, WeightsError
from sr_models.ground.files import file_sha256
from sr_models.networks.presets import PRESETS, Preset, get_preset


@dataclass(frozen=True)
class Start:
    """Where a run starts.

    Attributes:
        preset: The network that the weights belong to.
        weights: Their file; `None` for the shipped ones.
        label: What recipe and card call it: the preset's name, or the SHA-256 of the file.
    """

    preset: Preset
    weights: Path | None
    label: str


def find_start(source: str, preset: Preset) -> Start:
    """What `source` means for a run of `preset`: a preset's name, or weights of the same network.

    Raises:
        UnknownModelError: Neither a file nor a known name.
        WeightsError: The named preset has no shipped weights.
    """
    if Path(source).is_file():
        return Start(preset, Path(source), file_sha256(source))
    if source not in PRESETS and ("/" in source or source.endswith(".h5")):
        raise UnknownModelError(
            f"expected a preset's name or a file of weights to start from, found no file {source}; "
            "give another path or name"
        )
    named = get_preset(source)
    if not named.weights_path.is_file():
        raise WeightsError(
            f"expected a preset with shipped weights to start from, found that {source} has none; "
            "choose one that `sr-models list` shows with a PSNR"
        )
    return Start(named, None, source)


def take_over(trunk, start: Start) -> tuple[list[str], list[str]]:
    """Give a trunk in its training form all weights of `start` that fit by name and shape.

    Returns:
        The names of the weights taken, and of those left as they were.

    Raises:
        WeightsError: No kernel fits, or the file is damaged.
    """
    from sr_models.networks.network import convert_form, load_trunk, named_weights

    trained = load_trunk(start.preset, weights=start.weights)
    offered = named_weights(convert_form(trained, start.preset, form="train"))
    taken, left = [], []
    for layer in trunk.layers:
        for variable in layer.weights:
            name = variable.name.removesuffix(":0")
            if name in offered and offered[name].shape == tuple(variable.shape):
                variable.assign(offered[name])
                taken.append(name)
            else:
                left.append(name)
    if not any(name.endswith("kernel") for name in taken):
        raise WeightsError(
            "expected weights with layers like this network's, found no kernel that fits in "
            f"{start.label}; start from a preset of the same family and width"
        )
    return taken, left
