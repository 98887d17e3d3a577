import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from representative_data.cfqp import CfqpSettings, build_cfqp_dataset
from representative_data.choices import Taming
from representative_data.tiles import Tile, load_tiles
from runtime_bench.evidence import shaping
from runtime_bench.evidence.shaping import CalibrationSpeed, time_calibration
from sr_models.networks.tails import attach_tail
from tests.networks import sharpening_trunk

NAMED = {"network": "sharpening", "scale": 2}


def counting_network(**keywords):
    """The sharpening network, and the number of pictures that really went through it."""
    counter = tf.Variable(0, dtype=tf.int64, trainable=False)

    class Counting(tf_keras.layers.Layer):
        def call(self, inputs):
            with tf.control_dependencies([counter.assign_add(tf.shape(inputs, tf.int64)[0])]):
                return tf.identity(inputs)

    trunk = sharpening_trunk(**keywords)
    picture = tf_keras.Input((None, None, 3), name="input")
    counted = tf_keras.Model(picture, trunk(Counting()(picture)))
    return attach_tail(counted, "none", scale=2), counter


def test_the_worst_hundred_pictures_take_at_most_fifteen_passes_each():
    """Counted inside of the network, not by the code that is tested.

    All pictures but one are led to an aim that does not fit, so that each takes every pass there
    is before it is dropped; the last keeps the set from being empty, so that anchors are searched.
    """
    model, counter = counting_network(strength=0.04)
    rng = np.random.default_rng(0)
    harsh = [rng.choice([0, 255], (24, 24, 3)).astype(np.uint8) for _ in range(99)]
    tiles = [Tile(f"{i}", "", 0, 0, p) for i, p in enumerate([*harsh, harsh[0] // 4 + 90])]
    settings = CfqpSettings(Taming(aim=1.2))
    dataset = build_cfqp_dataset(model, tiles, settings=settings, **NAMED)
    assert (dataset.count("dropped"), dataset.count("kept"), dataset.count("anchor")) == (99, 1, 2)
    assert dataset.forward_passes == int(counter) > 990
    # The report: once over the natural pictures and, had none been dropped, over all and anchors.
    assert int(counter) + 100 + 102 <= 15 * 100


def test_passes_of_a_whole_calibration_are_those_the_network_saw(picture_folder):
    model, counter = counting_network(strength=0.04)
    tiles = load_tiles(picture_folder, scale=2, count=100, side=24)
    found = time_calibration(model, tiles, rounds=1, **NAMED)
    # Two more: one to trace and warm the bare forward pass, one to time it.
    assert found.passes + 2 == pytest.approx(int(counter) / 100)
    assert 3 <= found.passes <= 15


def test_seconds_are_those_of_the_clock(picture_folder, monkeypatch):
    """A clock that advances by 1 s whenever it is read: every step takes one second."""
    readings = iter(range(100))
    monkeypatch.setattr(shaping.time, "perf_counter", lambda: float(next(readings)))
    tiles = load_tiles(picture_folder, scale=2, count=4, side=24)
    steps = []
    model, _ = counting_network(strength=0.04)
    found = time_calibration(
        model, tiles, rounds=2, on_round=lambda *step: steps.append(step), **NAMED
    )
    assert found.shaping_s == found.judging_s == found.forward_s == (1.0, 1.0)
    assert found.per_hundred_s("shaping") == 25.0
    assert steps == [(1, 2), (2, 2)]


def test_the_median_is_told_and_what_it_is_worth():
    found = CalibrationSpeed(50, 96, (2.0, 9.0, 3.0), (1.0,) * 3, (0.5, 0.25, 4.0), 4.5, 2.25)
    data = found.to_json()
    assert data["shaping_s_per_100_pictures"] == 6.0
    assert data["forward_s_per_100_pictures"] == 1.0
    assert data["shaping_over_forward"] == 6.0
    assert data["passes_per_picture"] == 6.75 and data["rounds"] == 3
