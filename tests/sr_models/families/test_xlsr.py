import numpy as np
import pytest

from sr_models.families.xlsr import XlsrConfig, build_xlsr, to_deploy_form, to_training_form
from sr_models.networks.network import build_trunk, convert_form, named_weights, set_named_weights
from sr_models.networks.presets import Preset, get_preset
from sr_models.networks.tails import attach_tail


def by_hand(scale):
    """Kernel height x width x inputs x outputs + biases, layer by layer."""
    first = 3 * 3 * 3 * 32 + 32  # 896, the four 3x3 convolutions of 8 filters in one
    mix = 32 * 32 + 32  # 1056
    block = 3 * 3 * (32 // 4) * 32 + 32 + (32 * 32 + 32)  # 2336 + 1056
    skip = 3 * 3 * 3 * 16 + 16  # 448
    merge = (32 + 16) * 32 + 32  # 1568
    last = 3 * 3 * 32 * (3 * scale**2) + 3 * scale**2  # 7803 at x3
    return first + mix + 3 * block + skip + merge + last


@pytest.mark.parametrize("form", ["deploy", "train"])
def test_the_number_of_parameters(form):
    assert build_xlsr(XlsrConfig(scale=3), form=form).count_params() == by_hand(3) == 21_947
    assert build_xlsr(XlsrConfig(scale=2), form=form).count_params() == by_hand(2)


@pytest.fixture(params=["tiny", "full"])
def preset(request, tiny_preset) -> Preset:
    return tiny_preset if request.param == "tiny" else get_preset("xlsr_x3")


def randomized(trunk):
    rng = np.random.default_rng(0)
    set_named_weights(
        trunk,
        {
            name: rng.normal(0, 0.15, array.shape).astype(np.float32)
            for name, array in named_weights(trunk).items()
        },
    )
    return trunk


@pytest.mark.parametrize(("form", "other"), [("train", "deploy"), ("deploy", "train")])
def test_both_forms_compute_the_same(preset, form, other):
    trunk = randomized(build_trunk(preset, form=form))
    converted = convert_form(trunk, preset, form=other)
    picture = np.random.default_rng(1).uniform(size=(2, 11, 13, 3)).astype(np.float32)
    expected = trunk(picture).numpy()
    assert np.abs(expected).max() > 0.1
    # Sums of a few hundred float32 products in another order.
    np.testing.assert_allclose(converted(picture).numpy(), expected, atol=1e-5, rtol=1e-5)


def test_the_transfer_there_and_back_changes_nothing(preset):
    weights = named_weights(randomized(build_trunk(preset, form="train")))
    back = to_training_form(to_deploy_form(weights))
    assert back.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(back[name], array)


def test_the_deployed_form_has_one_operator_for_each_grouped_convolution(tiny_preset):
    names = [layer.name for layer in build_trunk(tiny_preset, form="deploy").layers]
    assert "block0_conv3" in names and not any("group" in name for name in names)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_starts_as_the_nearest_neighbour(scale, photographs):
    trunk = build_xlsr(XlsrConfig(scale=scale))
    # What goes through the other channels is small noise; without it the copy is exact.
    last = trunk.get_layer("last")
    kernel, bias = last.get_weights()
    assert np.abs(kernel[:, :, 3:]).max() < 0.5
    kernel[:, :, 3:] = 0.0
    last.set_weights([kernel, bias])
    low = photographs["coffee"][None, 200:212, 300:314].astype(np.float32) / 255.0
    found = attach_tail(trunk, "none", scale=scale)(low).numpy()
    repeated = low.repeat(scale, axis=1).repeat(scale, axis=2)
    np.testing.assert_allclose(found, repeated, atol=1e-6)


def test_any_size_of_picture(tiny_preset):
    trunk = build_trunk(tiny_preset)
    for height, width in [(1, 1), (2, 7), (16, 9)]:
        assert trunk(np.zeros((1, height, width, 3), np.float32)).shape == (1, height, width, 27)
