"""What the tests of every network family do: draw weights, and hold an int8 file against it."""

from __future__ import annotations

import numpy as np

from export.conversion import convert_with_ranges
from export.inspecting.audit import audit_model, missing_ranges
from export.running.interpreters import open_model
from representative_data.dataset import RepresentativeDataset
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.network import named_weights, set_named_weights
from sr_models.tails import attach_tail


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


def check_int8_file(trunk, *, scale, tail, operators, partitions=1):
    """Convert a trunk at 16x24 pixels and hold the file against the network.

    Args:
        trunk: With random weights.
        scale: Scale factor.
        tail: Output tail.
        operators: Count by name of all operators but the two at the uint8 interface.
        partitions: How often XNNPACK takes over.
    """
    # Neither black nor white: that pixels are pixels must not depend on the pictures.
    picture = np.random.default_rng(3).integers(30, 220, (16, 24, 3), dtype=np.uint8)
    natural = RepresentativeDataset([picture], [], "natural", "test", "", scale)
    model = attach_tail(trunk, tail, scale=scale)
    ranges = pin_pixels(observe_ranges(model, natural), model)
    content = convert_with_ranges(model, ranges, sample=picture, height=16, width=24)
    audit = audit_model(content)
    assert audit.full_integer
    assert audit.pixel_contract.holds, audit.pixel_contract.reasons
    assert audit.clip_ops == ()
    assert missing_ranges(content, ranges) == []
    assert audit.ops == {"QUANTIZE": 2, **operators}
    assert open_model(content, delegate="xnnpack").delegation.partitions == partitions

    expected = 255.0 * np.clip(model(picture[None] / np.float32(255.0)).numpy(), 0.0, 1.0)
    assert expected.std() > 20.0, "a network with something to compute"
    found = open_model(content, delegate="builtin").run(picture[None]).astype(float)
    # Eight bits in every layer of a random network; a wrong range costs ten times as much.
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.05 * expected.std()
