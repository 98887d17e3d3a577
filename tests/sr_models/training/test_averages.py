import numpy as np
import pytest
import tensorflow as tf

from sr_models.training.state import WeightAverages, decay_at


@pytest.fixture
def weights():
    return [tf.Variable([1.0, 2.0]), tf.Variable(3.0)]


def numbers(variables):
    return [variable.numpy().tolist() for variable in variables]


def test_the_decay_grows_to_its_limit():
    decays = [float(decay_at(step, limit=0.5)) for step in range(12)]
    assert decays[:3] == pytest.approx([1 / 10, 2 / 11, 3 / 12])
    assert decays[7] < decays[8] == decays[11] == 0.5  # 9/18


def test_averages_begin_as_the_weights_and_again_on_request(weights):
    averages = WeightAverages(weights)
    assert numbers(averages.values) == [[1.0, 2.0], 3.0]
    weights[1].assign(7.0)
    assert numbers(averages.values) == [[1.0, 2.0], 3.0]
    averages.start()
    assert numbers(averages.values) == [[1.0, 2.0], 7.0]


def test_they_move_towards_the_weights(weights):
    averages = WeightAverages(weights)
    weights[0].assign([5.0, 2.0])
    averages.follow(tf.distribute.get_strategy(), decay=0.75)
    assert numbers(averages.values) == [[2.0, 2.0], 3.0]
    assert numbers(weights) == [[5.0, 2.0], 3.0]


def test_in_place_of_the_weights_they_stand_for_a_while_only(weights):
    averages = WeightAverages(weights)
    weights[1].assign(9.0)
    with pytest.raises(RuntimeError), averages.in_place():
        assert numbers(weights) == [[1.0, 2.0], 3.0]
        raise RuntimeError
    np.testing.assert_array_equal(weights[1], 9.0)
