"""A file that looks at the whole picture is run on it at once, and never in tiles."""

import numpy as np
import pytest
import tf_keras

from export.exporting.conversion import convert_with_ranges
from export.running.interpreters import open_model
from representative_data.dataset import RepresentativeDataset
from representative_data.observation import observe_ranges, pin_pixels
from runtime_bench.upscaling.upscaler import Upscaler
from sr_models.ground.errors import ModelFileError
from sr_models.networks.layers import DepthToSpace
from sr_models.networks.value_layers import PictureMean
from tests.families import random_weights

PICTURE = np.random.default_rng(1).integers(0, 256, (40, 36, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=[16, None], ids=["16x16", "any size"])
def content(request):
    picture = tf_keras.Input((None, None, 3), name="input")
    mean = tf_keras.layers.Conv2D(3, 1, name="gate", activation="sigmoid")(
        PictureMean(name="mean")(picture)
    )
    y = tf_keras.layers.Multiply(name="weighed")([picture, mean])
    y = DepthToSpace(2, name="depth_to_space")(tf_keras.layers.Conv2D(12, 1, name="last")(y))
    model = random_weights(tf_keras.Model(picture, y))
    dataset = RepresentativeDataset([PICTURE[:16, :16]], [], "natural", "test", "", 2)
    ranges = pin_pixels(observe_ranges(model, dataset), model)
    side = request.param
    return convert_with_ranges(model, ranges, sample=PICTURE, height=side, width=side)


def test_a_larger_picture_is_one_tile(content):
    upscaler = Upscaler(open_model(content))
    found = upscaler.whole(PICTURE)
    plan = upscaler.plan(*PICTURE.shape[:2])
    assert plan.tiles == 1 and not plan.padded
    alone = open_model(content)
    alone.resize(*PICTURE.shape[:2])
    np.testing.assert_array_equal(found, alone.run(PICTURE[None])[0])


def test_tiles_are_refused_in_one_line(content):
    upscaler = Upscaler(open_model(content), tile=(24, 24))
    with pytest.raises(ModelFileError, match=r"takes a mean over the whole picture") as error:
        upscaler.whole(PICTURE)
    assert "\n" not in str(error.value) and "without tiles" in str(error.value)
