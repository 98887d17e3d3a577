"""Networks as other people build them run in no more pieces than the plain converter's file."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from export.exporting.conversion import convert_with_calibrator, convert_with_ranges
from export.inspecting.audit import audit_model
from export.running.interpreters import open_model
from representative_data.dataset import RepresentativeDataset
from representative_data.observation import observe_ranges, pin_pixels
from runtime_bench.evidence.architectures import ARCHITECTURES
from sr_models.importing.sources import open_network
from sr_models.networks.tails import attach_tail
from tests.strangers import varied

SMALL = {"imdn": {"width": 16}, "rfdn": {"width": 8, "blocks": 2}}

pytestmark = pytest.mark.slow


def small(architecture):
    """A model of few channels with drawn weights, whose slopes differ from channel to channel."""
    choices = {"width": 8, "blocks": 1, **SMALL.get(architecture.name, {})}
    model = varied(architecture.model(**choices))
    for variable in model.trainable_variables:
        if len(variable.shape) == 4:
            variable.assign(variable / np.sqrt(np.prod(variable.shape[:3]) * 0.09))
    return model


def both_files(model, *, channels=3, scale=2, clipped=lambda model: model):
    """What the plain converter makes of a model with a clip, and the file of the rebuilt one."""
    rng = np.random.default_rng(0)
    small_picture = rng.integers(0, 256, (8, 8, channels), dtype=np.uint8)
    pictures = [small_picture.repeat(3, 0).repeat(3, 1)]
    natural = RepresentativeDataset(pictures, [], "natural", "test", "", scale)
    size = {"height": 24, "width": 24}
    baseline = convert_with_calibrator(clipped(model), natural, **size)
    network = open_network(model, pixels="0..1")
    made = attach_tail(network.trunk, "relu", scale=network.scale)
    ranges = pin_pixels(observe_ranges(made, natural), made)
    return baseline, convert_with_ranges(made, ranges, sample=pictures[0], **size)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_file_runs_in_no_more_pieces_than_what_people_ship(name):
    architecture = ARCHITECTURES[name]
    baseline, content = both_files(
        small(architecture),
        channels=architecture.channels,
        scale=architecture.scale,
        clipped=architecture.clipped,
    )
    plain, own = (open_model(file).delegation for file in (baseline, content))
    assert own.worse_than(plain) == ()
    # Nothing but the ends of uint8, and PReLU whose slopes differ.
    prelus = audit_model(baseline).ops.get("PRELU", 0)
    assert own.left_behind == ("QUANTIZE", *["PRELU"] * prelus, "QUANTIZE")
    ops, plain_ops = audit_model(content).ops, audit_model(baseline).ops
    for op in ("LEAKY_RELU", "PRELU", "STRIDED_SLICE"):
        assert ops.get(op, 0) <= plain_ops.get(op, 0), op


def test_relu6_between_convolutions_is_no_operator():
    layers = tf_keras.layers
    picture = tf_keras.Input((None, None, 3))
    y = tf.nn.relu6(layers.Conv2D(8, 3, padding="same")(picture))
    y = layers.ReLU(6.0)(layers.Conv2D(8, 3, padding="same")(y))
    y = tf.nn.depth_to_space(layers.Conv2D(12, 3, padding="same")(y), 2)
    _, content = both_files(varied(tf_keras.Model(picture, y)))
    assert audit_model(content).ops == {"CONV_2D": 3, "DEPTH_TO_SPACE": 1, "QUANTIZE": 2}


def test_a_clip_is_added_where_there_is_none_and_each_can_be_saved(tmp_path):
    for architecture in ARCHITECTURES.values():
        model = architecture.model(width=8, blocks=1)
        model.save(tmp_path / f"{architecture.name}.keras")  # as the study hands it over
        clipped = architecture.clipped(model)
        assert (clipped is model) == architecture.clips
        x = np.full((1, 8, 8, architecture.channels), 0.5, np.float32)
        found = clipped(x).numpy()
        np.testing.assert_allclose(found, np.clip(model(x), 0.0, 1.0), atol=1e-6)
        assert found.shape == (1, 8 * architecture.scale, 8 * architecture.scale, x.shape[-1])
