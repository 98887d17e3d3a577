import numpy as np
import pytest

from sr_models.networks.network import build_trunk, load_model
from sr_models.networks.presets import Preset
from sr_models.published.dual_region import least_error_bound, published_bound
from sr_models.published.outlier_student import OutlierSettings, calibrated, outlier_student
from sr_models.published.regions import start_bounds
from tests.families import random_weights

BATCHES = np.random.default_rng(1).random((1, 2, 8, 10, 3), np.float32)


def edsr():
    config = {"scale": 2, "blocks": 2, "width": 8}
    return random_weights(build_trunk(Preset("test", "edsr", config, "for tests")))


def xlsr():
    """Few large weights among many small ones carry its picture."""
    return load_model("xlsr_x3", tail="none")


def bounds(student):
    return {name: layer.bound.numpy() for name, layer in student.convolutions.items()}


def test_bounds_start_at_the_least_error_or_at_the_largest_weight():
    network = edsr()
    settings = OutlierSettings(3, edge_bits=3, weight_start="largest")
    student, found = outlier_student(network, settings), {}
    found["largest"] = bounds(student)
    start_bounds(student.convolutions, "least_error", bits=3)
    found["least_error"] = bounds(student)
    for start, least, most in (("largest", 1.0, 1.0 + 1e-6), ("least_error", 0.2, 0.95)):
        for name in ("first", "block0_conv1"):
            largest = np.abs(network.get_layer(name).get_weights()[0]).max()
            assert least - 1e-6 <= found[start][name] / largest <= most, name


def test_the_published_search_is_that_of_the_released_loop_whatever_the_layers_width():
    """`init_qparams_w` with `omse`, in float64: the upper end of the range that errs least."""
    network = edsr()
    student = outlier_student(network, OutlierSettings(4, weight_start="published"))
    for name in ("first", "block0_conv1", "last"):
        w = np.float64(network.get_layer(name).get_weights()[0])
        best = np.inf
        for i in range(90):
            upper, lower = w.max() * (1 - 0.01 * i), w.min() * (1 - 0.01 * i)
            share = (np.clip(w, lower, upper) - upper) / (upper - lower)
            # 15 steps, in the head of 8 bits too.
            error = np.mean((w - (np.rint(share * 15) / 15 * (upper - lower) + upper)) ** 2)
            if error < best:
                best, expected = error, upper
        layer = student.convolutions[name]
        assert layer.bits == (4 if name == "block0_conv1" else 8)
        assert float(layer.bound) == pytest.approx(expected, rel=1e-5), name


def test_the_published_search_keeps_the_greatest_weight_whatever_lies_below():
    kernel = np.float32([-4.0, -3.9, 0.5, 0.49]).reshape(1, 1, 4, 1)
    # Its own grid, from -4 to 0.5, errs by little, so next to nothing is cut of 0.5.
    assert 0.4 < published_bound(kernel, bits=4) <= 0.5
    assert least_error_bound(kernel, bits=4) > 3.0
    assert published_bound(-np.abs(kernel), bits=4) > 0.0, "no weight above 0"


@pytest.mark.parametrize(("make", "better"), [(edsr, "least_error"), (xlsr, "largest")])
def test_the_better_start_is_that_of_the_nearer_picture(make, better):
    network, errors, starts = make(), {}, {}
    student = outlier_student(network, OutlierSettings(4, edge_bits=4, weight_start="better"))
    taken = calibrated(student, network, batches=BATCHES)
    assert taken.settings.weight_start == better
    chosen = bounds(taken)
    expected = np.clip(network(BATCHES[0]).numpy(), 0.0, 1.0)
    for start in ("least_error", "largest"):
        start_bounds(taken.convolutions, start, bits=4)
        starts[start] = bounds(taken)
        found = np.clip(taken.model(BATCHES[0]).numpy(), 0.0, 1.0)
        errors[start] = np.square(found - expected).mean()
    assert errors[better] < 0.9 * max(errors.values())
    for name, bound in starts[better].items():
        np.testing.assert_array_equal(chosen[name], bound)
