import numpy as np
import pytest
import tensorflow as tf

from export.exporting.conversion import convert_with_ranges
from export.running.interpreters import open_model
from representative_data.dataset import RepresentativeDataset
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.families import rdn
from sr_models.families.rdn import RdnConfig, build_rdn
from sr_models.ground.errors import OptionError
from sr_models.networks.network import named_weights
from sr_models.networks.presets import get_preset
from sr_models.networks.tails import attach_tail
from tests.families import check_int8_file, random_weights


def kernel(size, inputs, outputs):
    """Weights and biases of a convolution."""
    return size * size * inputs * outputs + outputs


def by_hand(scale):
    ends = kernel(3, 3, 64) + kernel(3, 64, 64) + kernel(3, 64, 64)
    block = sum(kernel(3, 64 + 64 * k, 64) for k in range(8)) + kernel(1, 64 + 8 * 64, 64)
    fusion = kernel(1, 16 * 64, 64)
    stages = {2: 1, 4: 2}[scale] * kernel(3, 64, 256)
    return ends + 16 * block + fusion + stages + kernel(3, 64, 3)


def test_the_number_of_parameters():
    # 22 M are published.
    assert build_rdn(RdnConfig(2)).count_params() == by_hand(2) == 22_123_395
    assert by_hand(4) == get_preset("rdn_x4").parameters == 22_271_107


SMALL = RdnConfig(2, width=4, growth=3, blocks=2, layers=2)


def test_it_computes_dense_blocks_and_their_fusion():
    trunk = random_weights(build_rdn(SMALL))
    weights = named_weights(trunk)

    def convolve(x, name):
        y = tf.nn.conv2d(x, weights[f"{name}/kernel"], strides=1, padding="SAME")
        return y + weights[f"{name}/bias"]

    picture = np.random.default_rng(1).random((2, 6, 7, 3), np.float32)
    first = convolve(picture, "first")
    x, blocks = convolve(first, "second"), []
    for b in range(2):
        a = tf.nn.relu(convolve(x, f"block{b}_conv0"))
        c = tf.nn.relu(convolve(tf.concat([x, a], -1), f"block{b}_conv1"))
        x = x + convolve(tf.concat([x, a, c], -1), f"block{b}_fusion")
        blocks.append(x)
    x = first + convolve(convolve(tf.concat(blocks, -1), "fusion"), "body_last")
    expected = convolve(tf.nn.depth_to_space(convolve(x, "upscale0"), 2), "last")
    found = attach_tail(trunk, "none", scale=2)(picture)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-4)


def test_it_starts_near_the_nearest_neighbour(photographs):
    low = photographs["coffee"][None, 200:220, 300:320].astype(np.float32) / 255.0
    trunk = build_rdn(RdnConfig(4, width=8, growth=4, blocks=2, layers=2))
    found = attach_tail(trunk, "none", scale=4)(low).numpy()
    assert 0.0 < np.abs(found - low.repeat(4, axis=1).repeat(4, axis=2)).mean() < 0.15


def test_an_unusable_scale_factor():
    with pytest.raises(OptionError, match="2, 3 or 4, found 5"):
        RdnConfig(5)


@pytest.mark.slow
@pytest.mark.parametrize("tail", ["relu", "none"])
def test_the_int8_file(tail, small_file):
    operators = {"CONV_2D": 12, "ADD": 3, "CONCATENATION": 5, "DEPTH_TO_SPACE": 1}
    # The first block's result is joined twice, in two ranges: one more requantization.
    operators["QUANTIZE"] = 3
    check_int8_file(small_file("rdn", tail), operators=operators)


def int8_file(trunk, picture):
    model = attach_tail(trunk, "none", scale=2)
    natural = RepresentativeDataset([picture], [], "natural", "test", "", 2)
    ranges = pin_pixels(observe_ranges(model, natural), model)
    return convert_with_ranges(model, ranges, sample=picture, height=16, width=24)


@pytest.mark.slow
def test_many_blocks_are_joined_in_groups_that_xnnpack_takes(monkeypatch):
    picture = np.random.default_rng(3).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    results, partitions = [], []
    for most in (5, 7):
        monkeypatch.setattr(rdn, "MOST_JOINED", most)
        trunk = random_weights(build_rdn(RdnConfig(2, width=4, growth=3, blocks=7, layers=1)))
        content = int8_file(trunk, picture)
        partitions.append(open_model(content, delegate="xnnpack").delegation.partitions)
        results.append(open_model(content, delegate="builtin").run(picture[None]))
    assert partitions == [1, 2]
    np.testing.assert_array_equal(*results)
