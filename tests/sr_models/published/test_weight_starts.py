import numpy as np
import pytest

from sr_models.networks.network import build_trunk, load_model
from sr_models.networks.presets import Preset
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
    start_bounds(student.convolutions, "least_error")
    found["least_error"] = bounds(student)
    for start, least, most in (("largest", 1.0, 1.0 + 1e-6), ("least_error", 0.2, 0.95)):
        for name in ("first", "block0_conv1"):
            largest = np.abs(network.get_layer(name).get_weights()[0]).max()
            assert least - 1e-6 <= found[start][name] / largest <= most, name


@pytest.mark.parametrize(("make", "better"), [(edsr, "least_error"), (xlsr, "largest")])
def test_the_better_start_is_that_of_the_nearer_picture(make, better):
    network, errors, starts = make(), {}, {}
    student = outlier_student(network, OutlierSettings(4, edge_bits=4, weight_start="better"))
    taken = calibrated(student, network, batches=BATCHES)
    assert taken.settings.weight_start == better
    chosen = bounds(taken)
    expected = np.clip(network(BATCHES[0]).numpy(), 0.0, 1.0)
    for start in ("least_error", "largest"):
        start_bounds(taken.convolutions, start)
        starts[start] = bounds(taken)
        found = np.clip(taken.model(BATCHES[0]).numpy(), 0.0, 1.0)
        errors[start] = np.square(found - expected).mean()
    assert errors[better] < 0.9 * max(errors.values())
    for name, bound in starts[better].items():
        np.testing.assert_array_equal(chosen[name], bound)
