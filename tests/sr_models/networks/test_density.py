import pytest
import tf_keras

from sr_models.networks.cost import multiply_adds
from sr_models.networks.density import densities, is_of_any_size, multiply_adds_per_pixel
from sr_models.networks.graph import points
from sr_models.networks.layers import NeighboursToChannels
from sr_models.networks.network import build_trunk
from sr_models.networks.presets import get_preset
from sr_models.networks.tails import attach_tail


@pytest.mark.parametrize("name", ["xlsr_x3", "edsr_f32b5_x2", "fsrcnn_x3"])
def test_sizes_and_products_are_those_that_keras_finds(name):
    """Keras gives the shapes; `multiply_adds` counts at a fixed size."""
    preset = get_preset(name)
    model = attach_tail(build_trunk(preset), "relu", scale=preset.scale)
    graph, found = points(model), densities(model)
    tensors = tf_keras.Model(model.input, [point.tensor for point in graph.values()])
    shapes = tensors.compute_output_shape((1, 24, 24, 3))
    assert {n: s[1] * s[2] / 576 for n, s in zip(graph, shapes)} == pytest.approx(found)
    assert multiply_adds_per_pixel(model) == multiply_adds(model, height=24, width=24) / 576


def test_what_pack_puts_before_a_network_keeps_its_size():
    picture = tf_keras.Input((None, None, 3))
    rows = NeighboursToChannels(3, channels=3)(picture)
    model = tf_keras.Model(picture, tf_keras.layers.Conv2D(4, (3, 1), padding="same")(rows))
    assert set(densities(model).values()) == {1.0} and is_of_any_size(model)
    assert multiply_adds_per_pixel(model) == 3 * 3 * 9 + 3 * 9 * 4


def test_a_layer_that_may_do_anything_is_no_guess():
    picture = tf_keras.Input((None, None, 3))
    model = tf_keras.Model(picture, tf_keras.layers.UpSampling2D(2)(picture))
    assert densities(model) is None and multiply_adds_per_pixel(model) is None
