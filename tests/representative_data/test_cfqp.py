import numpy as np
import pytest

from representative_data.cfqp import CfqpSettings, build_cfqp_dataset, build_natural_dataset
from representative_data.taming import TOLERANCE, Taming
from representative_data.tiles import load_tiles
from sr_models.errors import CalibrationError
from sr_models.network import weights_sha256
from tests.networks import sharpening_network

NAMED = {"network": "sharpening", "scale": 2}


@pytest.fixture(scope="module")
def tiles(picture_folder):
    return load_tiles(picture_folder, scale=2, count=8, side=32)


@pytest.mark.parametrize("tail", ["relu", "none"])
@pytest.mark.parametrize("method", ["contrast", "select"])
def test_inputs_span_everything_and_outputs_end_at_one(tiles, tail, method):
    model = sharpening_network(tail=tail, strength=0.04)
    settings = CfqpSettings(Taming(method))
    dataset = build_cfqp_dataset(model, tiles, settings=settings, **NAMED)
    assert dataset.input_range == (0.0, 1.0)
    low, high = dataset.output_range
    assert high == pytest.approx(1.0, abs=TOLERANCE)
    assert low == pytest.approx(0.0, abs=TOLERANCE)
    # What the records claim is what the network answers.
    answers = [model(sample).numpy() for (sample,) in dataset()]
    assert max(y.max() for y in answers) == pytest.approx(high, abs=1e-5)


def test_natural_pictures_leave_the_range_and_are_not_changed(tiles):
    dataset = build_natural_dataset(sharpening_network(), tiles, **NAMED)
    assert dataset.output_range[1] > 1.02
    for picture, tile in zip(dataset.pictures, tiles):
        np.testing.assert_array_equal(picture, tile.pixels)


def test_without_anchors_the_input_range_shrinks(tiles):
    """The second half of the problem: taming darkens, and the input's scale shrinks with it."""
    model = sharpening_network(strength=0.3)
    dataset = build_cfqp_dataset(model, tiles, settings=CfqpSettings(anchors=False), **NAMED)
    assert dataset.count("tamed") >= len(tiles) / 2
    assert dataset.input_range[1] < 0.97


def test_the_set_knows_the_network_and_every_picture(tiles):
    model = sharpening_network(strength=0.04)
    dataset = build_cfqp_dataset(model, tiles, **NAMED)
    assert dataset.weights_sha256 == weights_sha256(model)
    sources = {r.source: r.source_sha256 for r in dataset.records if r.status != "anchor"}
    assert sources == {tile.source: tile.source_sha256 for tile in tiles}
    assert dataset.count("anchor") == 2
    assert dataset.settings["taming"]["method"] == "contrast"


def test_nothing_that_fits_is_an_error_that_names_a_picture(tiles):
    settings = CfqpSettings(Taming("select"))
    with pytest.raises(CalibrationError, match=r"\.png still gives .* after 12 passes"):
        build_cfqp_dataset(sharpening_network(strength=0.9), tiles, settings=settings, **NAMED)


def test_only_the_output_of_the_network_is_read(tiles):
    """A network whose inner tensors nobody can watch can still be calibrated."""
    inner = sharpening_network(strength=0.04)

    class OutputOnly:
        layers = inner.layers

        def __call__(self, pictures, training=False):
            return inner(pictures, training=training)

    dataset = build_cfqp_dataset(OutputOnly(), tiles, **NAMED)
    assert dataset.output_range[1] == pytest.approx(1.0, abs=TOLERANCE)
