"""What the tests of every network family do: draw weights, and hold an int8 file against it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from export.exporting.conversion import convert_with_ranges
from export.inspecting.audit import audit_model, missing_ranges
from export.running.interpreters import open_model
from representative_data.dataset import RepresentativeDataset
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.networks.network import build_trunk, named_weights, set_named_weights
from sr_models.networks.presets import Preset
from sr_models.networks.tail_names import TAILS
from sr_models.networks.tails import attach_tail
from sr_models.quantization.ranges import TensorRanges

SMALL = {
    "xlsr": {"scale": 3, "width": 8, "blocks": 2, "skip_width": 4, "merge_width": 8},
    "abpn": {"scale": 3, "width": 8, "blocks": 2},
    "ecbsr": {"scale": 2, "width": 8, "blocks": 2},
    "edsr": {"scale": 2, "width": 8, "blocks": 2},
    "espcn": {"scale": 3, "first_width": 16, "second_width": 8},
    "etds": {"scale": 3},
    "fsrcnn": {"scale": 2, "width": 16, "shrunk_width": 6, "blocks": 2},
    "quicksrnet": {"scale": 2, "width": 8, "blocks": 2},
    "rdn": {"scale": 2, "width": 8, "growth": 4, "blocks": 2, "layers": 2},
    "sesr": {"scale": 2, "width": 8, "blocks": 2},
    "srresnet": {"scale": 2, "width": 8, "blocks": 1},
}
"""A small configuration of every family."""
VARIANTS = {
    "abpn_conv": {**SMALL["abpn"], "anchor": "conv"},
    "abpn_none": {**SMALL["abpn"], "anchor": "none"},
    "ecbsr_relu": {**SMALL["ecbsr"], "activation": "relu"},
    "edsr_staged": {**SMALL["edsr"], "scale": 4, "upsampler": "staged"},
    "fsrcnn_relu": {**SMALL["fsrcnn"], "activation": "relu"},
    "quicksrnet_anchor": {**SMALL["quicksrnet"], "anchor": True},
    "sesr_relu": {**SMALL["sesr"], "activation": "relu"},
}
"""Configurations with other layers, named `family_choice`."""
OTHERS = {
    "abpn_x2": {**SMALL["abpn"], "scale": 2},
    "edsr_staged_x2": {**SMALL["edsr"], "upsampler": "staged"},
}
"""Configurations with the same layers in other numbers."""
CLIPPED = ("abpn", "fsrcnn", "rdn")
"""One family for each way to end: pixels out of channels, a transposed convolution, another one."""
TAILED = [
    (family, tail) for family in SMALL for tail in TAILS if "clip" not in tail or family in CLIPPED
]
"""Every family and every tail; those with a clip behind each way to end."""


@dataclass(frozen=True)
class SmallFile:
    """A small network with random weights and its int8 file.

    Attributes:
        model: The float network with its output tail.
        ranges: The ranges written into the file.
        content: The file, for pictures of 24x36 pixels.
        pictures: uint8 (N, 24, 36, 3): blocks of colours, which are nearer to pictures, and noise.
    """

    model: Any
    ranges: TensorRanges
    content: bytes
    pictures: np.ndarray

    def codes(self, delegate: str) -> np.ndarray:
        """What the file makes of the pictures: int64 (N, 24 s, 36 s, 3)."""
        runner = open_model(self.content, delegate=delegate)
        return np.stack([runner.run(p[None])[0] for p in self.pictures]).astype(np.int64)


@cache
def small_file(name: str, tail: str, *, once: Callable) -> SmallFile:
    """The file of a configuration above, converted once in a run of the tests.

    Args:
        name: Key of `SMALL`, `VARIANTS` or `OTHERS`.
        tail: Output tail.
        once: The fixture of that name.
    """
    config = {**SMALL, **VARIANTS, **OTHERS}[name]
    trunk = random_weights(build_trunk(Preset("test", name.split("_")[0], config, "for tests")))

    def make(folder: Path) -> None:
        made = export_small(trunk, tail=tail, scale=config["scale"])
        kept = pickle.dumps((made.ranges, made.content, made.pictures))
        (folder / "file.pickle").write_bytes(kept)

    kept = once(f"small_{name}_{tail}", make) / "file.pickle"
    model = attach_tail(trunk, tail, scale=config["scale"])
    return SmallFile(model, *pickle.loads(kept.read_bytes()))


def export_small(trunk, *, tail: str, scale: int) -> SmallFile:
    """The int8 file of any trunk."""
    rng = np.random.default_rng(3)
    # Neither black nor white: that pixels are pixels must not depend on the pictures.
    blocks = rng.integers(30, 220, (3, 6, 9, 3), dtype=np.uint8)
    blocks = blocks.repeat(4, axis=1).repeat(4, axis=2)
    natural = RepresentativeDataset(list(blocks), [], "natural", "test", "", scale)
    model = attach_tail(trunk, tail, scale=scale)
    ranges = pin_pixels(observe_ranges(model, natural), model)
    content = convert_with_ranges(model, ranges, sample=blocks[0], height=24, width=36)
    noise = rng.integers(0, 256, (1, 24, 36, 3), dtype=np.uint8)
    return SmallFile(model, ranges, content, np.concatenate([blocks, noise]))


def random_weights(trunk, *, seed=0):
    """Give a trunk weights that keep the size of its tensors from layer to layer."""
    rng = np.random.default_rng(seed)
    trained = {variable.name.removesuffix(":0") for variable in trunk.trainable_variables}

    def draw(array):
        if array.ndim == 4:
            return rng.normal(0.0, np.prod(array.shape[:3]) ** -0.5, array.shape)
        return rng.uniform(0.0, 0.3, array.shape)

    weights = named_weights(trunk)
    drawn = {name: draw(array) if name in trained else array for name, array in weights.items()}
    set_named_weights(trunk, drawn)
    return trunk


def check_int8_file(file: SmallFile, *, operators, partitions=1):
    """Hold a file against the network it was made of.

    Args:
        file: Of a network with random weights.
        operators: Count by name of all operators but the two at the uint8 interface.
        partitions: How often XNNPACK takes over.
    """
    audit = audit_model(file.content)
    assert audit.full_integer
    assert audit.pixel_contract.holds, audit.pixel_contract.reasons
    assert audit.clip_ops == ()
    assert missing_ranges(file.content, file.ranges) == []
    assert audit.ops == {"QUANTIZE": 2, **operators}
    assert open_model(file.content, delegate="xnnpack").delegation.partitions == partitions

    picture = file.pictures[:1]
    expected = 255.0 * np.clip(file.model(picture / np.float32(255.0)).numpy(), 0.0, 1.0)
    assert expected.std() > 20.0, "a network with something to compute"
    found = open_model(file.content, delegate="builtin").run(picture).astype(float)
    # Eight bits in every layer of a random network; a wrong range costs ten times as much.
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.05 * expected.std()
