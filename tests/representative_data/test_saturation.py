import numpy as np
import pytest

from representative_data.probe import probe_layers
from representative_data.saturation import BINS, compare_layers
from sr_models.networks.graph import points
from sr_models.networks.tails import attach_tail
from tests.networks import branched_trunk


@pytest.fixture(scope="module")
def model():
    return attach_tail(branched_trunk(), "relu", scale=2)


@pytest.fixture(scope="module")
def natural():
    rng = np.random.default_rng(0)
    sizes = [(9, 9), (12, 7), (9, 9)]
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def darker(pictures, factor):
    return [np.rint(picture * factor).astype(np.uint8) for picture in pictures]


@pytest.fixture(scope="module")
def darkened(model, natural):
    """The set that is compared, and what it came to: a comparison takes its time."""
    pictures = darker(natural, 0.6)
    return pictures, compare_layers(model, natural, pictures)


@pytest.fixture(scope="module")
def same(model, natural):
    return compare_layers(model, natural, natural)


def test_the_share_is_that_of_the_values_outside_of_the_sets_range(model, natural, darkened):
    """Counted again by hand, on each tensor of each picture alone."""
    import tf_keras

    pictures, found = darkened
    graph = points(model)
    watched = tf_keras.Model(model.input, [point.tensor for point in graph.values()])

    def tensors(picture):
        return [t.numpy() for t in watched(picture[None].astype(np.float32) / 255.0)]

    by_set, by_nature = ([tensors(p) for p in some] for some in (pictures, natural))
    for index, layer in enumerate(found.layers):
        low = min(some[index].min() for some in by_set)
        high = max(some[index].max() for some in by_set)
        assert layer.set == pytest.approx((low, high), abs=1e-5)
        if layer.is_stored:
            shares = [np.mean((t[index] < low) | (t[index] > high)) for t in by_nature]
            assert layer.saturating_fraction == pytest.approx(np.mean(shares), abs=2e-3)
    assert found.forward_passes == 6
    assert found.worst.saturating_fraction > 0.01


def test_natural_ranges_are_those_of_the_layer_probe(model, natural, darkened):
    union = probe_layers(model, natural).union()
    for layer in darkened[1].layers:
        assert layer.natural == pytest.approx(union[layer.tensor], abs=1e-6)


def test_nothing_saturates_where_the_set_is_the_natural_pictures(same):
    assert same.worst.saturating_fraction == 0.0
    assert all(layer.span_ratio == pytest.approx(1.0) for layer in same.layers)
    assert same.natural_histogram == same.set_histogram


def test_the_output_is_not_judged_for_there_saturation_is_the_clip(darkened):
    layers = darkened[1].layers
    outputs = [layer.tensor for layer in layers if layer.is_output]
    assert outputs == ["last_relu", "depth_to_space"]
    assert not any(layer.is_judged for layer in layers if layer.is_output)
    # What an int8 file does not store cannot saturate.
    assert {layer.tensor for layer in layers if not layer.is_stored} == {"a", "b", "added"}
    assert all((layer.saturating_fraction is None) == (not layer.is_stored) for layer in layers)


def test_histograms_are_numpys(model, natural, same):
    answers = [model(p[None].astype(np.float32) / 255.0).numpy().ravel() for p in natural]
    shares = []
    for y in answers:
        inside = np.clip(y, BINS[0] + 1e-6, BINS[-1] - 1e-6)
        shares.append(np.histogram(inside, BINS)[0] / y.size)
    np.testing.assert_allclose(same.set_histogram, np.mean(shares, axis=0), atol=0.01)
    assert sum(same.set_histogram) == pytest.approx(1.0, abs=1e-5)


def test_black_and_white_lie_inside_of_bins():
    width = BINS[1] - BINS[0]
    for value in (0.0, 1.0):
        assert np.abs(BINS - value).min() > 0.4 * width
