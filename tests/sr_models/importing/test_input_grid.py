import numpy as np
import pytest
import tensorflow as tf

from export.exporting.job import run_export
from export.exporting.settings import ExportSettings
from sr_models.ground.sizes import Size
from sr_models.importing.keras_network import to_keras
from sr_models.importing.operations import INPUT
from sr_models.importing.pixel_ends import joins_of_input, with_input_apart
from sr_models.importing.simplification import simplified
from tests.strangers import layers, read, stranger, varied


def joining(*, times=1):
    """A stranger whose features are joined with the picture, once or twice."""

    def start(x):
        y = layers.Conv2D(4, 3, padding="same", activation="relu", name="features")(x) * 3.0
        for number in range(times):
            y = layers.Concatenate(name=f"joined{number}")([y, x])
        return layers.Conv2D(3, 1, name="back")(y)

    model = stranger(start=start)
    rng = np.random.default_rng(0)
    kernel, bias = model.get_layer("features").get_weights()
    model.get_layer("features").set_weights([rng.normal(0.0, 0.2, kernel.shape), bias])
    kernel, bias = model.get_layer("back").get_weights()
    kernel = np.zeros_like(kernel)
    kernel[0, 0, -3:] = np.eye(3)
    kernel[0, 0, :4] = rng.normal(0.0, 0.02, (4, 3))
    model.get_layer("back").set_weights([kernel, bias])
    return model


@pytest.mark.parametrize("times", [1, 2])
def test_the_picture_is_joined_as_a_copy_and_nothing_else_changes(times):
    model = joining(times=times)
    network = simplified(read(model)[1])
    assert joins_of_input(network) == [f"joined{number}" for number in range(times)]
    apart = with_input_apart(network)
    assert joins_of_input(apart) == []
    added = [op for op in apart if op.name not in network.operations]
    assert [op.inputs for op in added] == [(INPUT,)] * times
    picture = np.random.default_rng(1).random((1, 12, 14, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        to_keras(apart, name="apart")(picture), to_keras(network, name="joined")(picture)
    )


def test_a_moved_picture_is_copied_too_and_a_convolved_one_is_not():
    def start(x):
        folded = tf.nn.space_to_depth(x, 2)
        y = layers.Conv2D(4, 3, padding="same", name="features")(folded)
        joined = layers.Concatenate(name="joined")([y, folded, folded])
        return layers.Conv2D(3, 1, name="back")(tf.nn.depth_to_space(joined, 2))

    network = simplified(read(stranger(start=start))[1])
    apart = with_input_apart(network)
    assert joins_of_input(network) == ["joined"] and joins_of_input(apart) == []
    added = [op for op in apart if op.name not in network.operations]
    assert [(op.channels, op.inputs) for op in added] == [(12, ("tf.nn.space_to_depth",))] * 2


def test_channels_of_the_picture_are_chosen_as_they_are_copied():
    def start(x):
        y = layers.Conv2D(4, 3, padding="same", name="features")(x)
        joined = layers.Concatenate(name="joined")([y, x[..., 1:][..., 1:2], x[..., :2]])
        return layers.Conv2D(3, 1, name="back")(joined)

    model = varied(stranger(start=start))
    network = simplified(read(model)[1])
    apart = with_input_apart(network)
    assert "slice" not in {op.kind for op in apart}
    picture = np.random.default_rng(1).random((1, 12, 14, 3)).astype(np.float32)
    np.testing.assert_allclose(
        to_keras(apart, name="apart")(picture), model(picture), rtol=1e-4, atol=1e-4
    )


def test_a_network_that_joins_no_picture_stays_as_it_is():
    network = simplified(read(stranger())[1])
    assert list(with_input_apart(network).operations) == list(network.operations)


def test_the_file_of_a_network_that_joins_its_picture_takes_pixels(tmp_path):
    joining(times=2).save(tmp_path / "joining.keras")
    settings = ExportSettings(sizes=(Size(24, 32),), pictures=4, tile_side=32, method="cfqp")
    made = run_export(str(tmp_path / "joining.keras"), settings)
    assert made.failures == [] and made.audit.pixel_contract.holds
    assert made.fidelity.psnr_db > 40.0
    assert any("copies the picture" in note for note in made.manifest["network"]["origin"]["done"])
