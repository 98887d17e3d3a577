import pytest
import tf_keras

from representative_data.effort import LEAST_COUNT, MULTIPLY_ADDS, fitting_tiles
from sr_models.ground.memory import memory_budget
from sr_models.networks.layers import DepthToSpace


def convolving(filters: int):
    """Of 9 * filters^2 multiply-adds for each pixel, and a little more."""
    picture = tf_keras.Input((None, None, 3))
    x = tf_keras.layers.Conv2D(filters, 1, name="first")(picture)
    x = tf_keras.layers.Conv2D(filters, 3, padding="same", name="body")(x)
    return tf_keras.Model(picture, DepthToSpace(2)(tf_keras.layers.Conv2D(12, 1, name="last")(x)))


@pytest.fixture(autouse=True)
def room():
    with memory_budget("1000GiB"):
        yield


def test_a_usual_network_gets_what_is_asked_for():
    said = []
    found = fitting_tiles(convolving(64), count=64, side=96, on_stage=said.append)
    assert found == (64, 96) and said == []


@pytest.mark.parametrize(("filters", "expected"), [(200, (64, 88)), (400, (33, 64))])
def test_a_heavy_one_gets_smaller_tiles_and_then_fewer(filters, expected):
    """9 * 200^2 are 362 712 with its ends, 64 * 88^2 * 362 712 = 1.80e11 (at 96: 2.14e11);

    9 * 400^2 are 1 446 000, and 2e11 / 1 446 000 / 64^2 = 33.8.
    """
    said, model = [], convolving(filters)
    found = fitting_tiles(model, count=64, side=96, on_stage=said.append)
    assert found == expected
    assert said[0].startswith(f"{expected[0]} tiles of {expected[1]}x{expected[1]} and not 64")
    assert "--pictures and --tile-side" in said[0] and len(said) == 1
    assert fitting_tiles(model, count=64, side=96, keep=True, on_stage=said.append) == (64, 96)
    assert fitting_tiles(model, count=8, side=32, on_stage=said.append) == (8, 32)


def test_there_are_never_so_few_that_they_show_nothing():
    found = fitting_tiles(convolving(1200), count=64, side=96, on_stage=lambda said: None)
    assert found == (LEAST_COUNT, 64)
    assert 9 * 1200**2 * LEAST_COUNT * 64**2 > MULTIPLY_ADDS
