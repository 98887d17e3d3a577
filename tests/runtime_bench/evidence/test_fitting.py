import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from runtime_bench.evidence.fitting import fit, full_range_pictures, natural_samples


def nearest(channels):
    """A network that learns nothing but a factor for each channel and place."""
    picture = tf_keras.Input((None, None, channels))
    y = tf_keras.layers.Conv2D(channels * 4, 1, kernel_initializer="zeros")(picture)
    return tf_keras.Model(picture, tf.nn.depth_to_space(y, 2))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_gets_better_until_its_time_is_over(channels):
    now = iter(range(1000))
    losses = fit(
        nearest(channels), scale=2, channels=channels, seconds=150.0, clock=lambda: next(now)
    )
    # The clock is asked once for the end, and once before each further step.
    assert len(losses) == 150
    assert np.mean(losses[-30:]) < 0.9 * np.mean(losses[:30])


def test_one_step_is_always_taken():
    assert len(fit(nearest(3), scale=2, channels=3, seconds=1e-9)) == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_full_range_pictures_hold_black_and_white(channels):
    for picture in full_range_pictures(scale=2, channels=channels):
        assert picture.dtype == np.uint8 and picture.shape == (96, 96, channels)
        assert (picture.min(), picture.max()) == (0, 255)


def test_natural_samples_have_the_size_of_the_file():
    samples = natural_samples(scale=3, channels=3, height=20, width=33, count=2)
    assert [sample[0].shape for sample in samples] == [(1, 20, 33, 3)] * 2
    assert all(s[0].min() >= 0.0 and s[0].max() <= 1.0 for s in samples)
