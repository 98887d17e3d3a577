import pytest
import tf_keras

from representative_data.effort import fitting_side
from sr_models.ground.memory import memory_budget
from sr_models.networks.layers import DepthToSpace
from sr_models.networks.memory import bytes_per_pixel, pictures_at_once, pixels_at_once

MIB = 1 << 20


@pytest.fixture(scope="module")
def wide():
    """For each pixel 3 + 512 + 512 + 3 * 64 numbers: 8 times as large, and wide there."""
    x = tf_keras.Input((None, None, 3))
    y = tf_keras.layers.Conv2D(512, 1, name="wide")(x)
    y = DepthToSpace(8, name="large")(y)
    return tf_keras.Model(x, tf_keras.layers.Conv2D(3, 1, name="last")(y))


def test_bytes_follow_scale_and_width(wide):
    assert bytes_per_pixel(wide) == 2 * 4 * (3 + 512 + 512 + 3 * 64)


def test_batches_follow_the_budget_and_stay_where_there_is_room(wide):
    each = bytes_per_pixel(wide)
    with memory_budget(100 * MIB):
        assert pixels_at_once(wide, most=150_000) == int(100 * MIB / each)
        assert pictures_at_once(wide, height=96, width=96, most=8) == 1
        assert pictures_at_once(wide, height=16, width=16, most=100) == int(100 * MIB / each) // 256
    with memory_budget("1000GiB"):
        assert pixels_at_once(wide, most=150_000) == 150_000
        assert pictures_at_once(wide, height=96, width=96, most=8) == 8


def test_tiles_are_smaller_only_where_one_has_no_room(wide):
    said = []
    with memory_budget("1000GiB"):
        assert fitting_side(wide, 96, on_stage=said.append) == 96 and said == []
    with memory_budget(64 * MIB):
        side = fitting_side(wide, 96, on_stage=said.append)
    assert side == 80 and side**2 * bytes_per_pixel(wide) < 64 * MIB < 88**2 * bytes_per_pixel(wide)
    assert "tiles of 80x80 and not 96x96" in said[0] and "--memory-budget" in said[0]
