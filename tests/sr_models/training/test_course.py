import dataclasses

import numpy as np
import pytest

from sr_models.ground.errors import OptionError, WeightsError
from sr_models.networks.presets import get_preset
from sr_models.published.settings import PamsSettings
from sr_models.training.course import PamsCourse, quantized_course
from sr_models.training.finetuning import Start, find_start
from sr_models.training.state import decay_at

NOTHING = {
    "bits": None,
    "placement": None,
    "unsigned": False,
    "per_channel": False,
    "float_edges": False,
}


def test_without_a_method_there_is_no_course_and_no_option_of_one():
    assert quantized_course(None, **NOTHING) is None
    for given, named in (
        ({"bits": 4}, "--bits"),
        ({"placement": "code"}, "--placement"),
        ({"unsigned": True, "per_channel": True}, "--unsigned, --per-channel"),
        ({"float_edges": True}, "--float-edges"),
    ):
        with pytest.raises(OptionError, match=f"--quantize with {named}, found none"):
            quantized_course(None, **{**NOTHING, **given})


def test_options_become_settings():
    assert quantized_course("pams", **NOTHING).settings == PamsSettings(8, edges=True)
    given = {**NOTHING, "bits": 4, "unsigned": True, "per_channel": True, "float_edges": True}
    course = quantized_course("pams", **given)
    assert course.settings == PamsSettings(4, edges=False, unsigned=True, per_channel=True)
    assert course.label == "pams4"
    # Only the placement that integers can hold has edges.
    figure = quantized_course("pams", **{**NOTHING, "placement": "figure"})
    assert figure.settings == PamsSettings(8, "figure")


@pytest.mark.parametrize("bits", [1, 17, 0, -8])
def test_bits_out_of_range_are_refused(bits):
    with pytest.raises(OptionError, match="from 2 to 16"):
        quantized_course("pams", **{**NOTHING, "bits": bits})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transfer_weight": -1.0}, "transfer weight"),
        ({"alpha_rate": 0.0}, "rate of alphas"),
        ({"alpha_rate": 1.0}, "rate of alphas"),
    ],
)
def test_a_course_out_of_range_is_refused(changes, message):
    with pytest.raises(OptionError, match=message):
        PamsCourse(PamsSettings(), **changes)


def test_an_unknown_method_is_refused():
    with pytest.raises(OptionError, match=r"expected pams .* found 'dfsq'"):
        quantized_course("dfsq", **NOTHING)


def test_patches_are_as_bright_as_the_pictures_so_that_alphas_see_white():
    recipe = PamsCourse(PamsSettings()).recipe()
    assert (recipe.intensities, recipe.candidates) == ((1.0,), 1)


def test_the_recipe_is_the_published_one_with_what_was_given():
    course = PamsCourse(PamsSettings())
    recipe = course.recipe(steps=50, seed=None)
    assert (recipe.optimizer, recipe.learning_rate, recipe.loss) == ("adam", 1e-4, "l1")
    assert (recipe.steps, recipe.batch_size, recipe.patch_size) == (50, 16, 48)


def test_the_published_recipe_is_that_of_the_released_code():
    course = quantized_course("pams", **NOTHING, recipe="published")
    assert course.settings == PamsSettings(8, "code", recipe_name="published")
    assert (course.alpha_rate, course.transfer_weight) == (1e-2, 1000.0)
    recipe = course.recipe(get_preset("edsr_baseline_x2"))
    # StepLR(10, 0.5) over 30 epochs of 1000 steps; pictures of 192 pixels, and 96 for RDN.
    rates = [recipe.learning_rate_at(s) for s in (0, 9_999, 10_000, 19_999, 20_000, 29_999)]
    np.testing.assert_allclose(rates, [1e-4, 1e-4, 5e-5, 5e-5, 2.5e-5, 2.5e-5])
    assert (recipe.steps, recipe.patch_size, recipe.batch_size) == (30_000, 96, 16)
    assert course.recipe(get_preset("rdn_x4")).patch_size == 24
    assert decay_at(10_000, limit=recipe.ema_decay) < 1e-8, "no average of weights"
    given = {**NOTHING, "unsigned": True, "placement": "figure"}
    with pytest.raises(OptionError, match="expected no --placement, --unsigned with --recipe pub"):
        quantized_course("pams", **given, recipe="published")
    with pytest.raises(OptionError, match="expected a recipe of default, published, found 'own'"):
        quantized_course("pams", **NOTHING, recipe="own")
    with pytest.raises(OptionError, match="expected --quantize with --recipe, found none"):
        quantized_course(None, **NOTHING, recipe="published")
    assert quantized_course("pams", **NOTHING, recipe="default") == quantized_course(
        "pams", **NOTHING
    )


def test_a_teacher_must_be_of_the_same_network():
    course, preset = PamsCourse(PamsSettings()), get_preset("abpn_x3")
    start = find_start("abpn_x3", preset)
    assert course.require_teacher(start, preset) is start
    with pytest.raises(WeightsError, match="same network as abpn_x3, found abpn_x2"):
        course.require_teacher(find_start("abpn_x2", preset), preset)


def test_a_teacher_without_weights_is_said(tmp_path):
    preset = get_preset("rdn_x2")
    course = PamsCourse(PamsSettings())
    make = course.pupil_maker(preset, course.recipe(), teacher=Start(preset, None, "rdn_x2"))
    with pytest.raises(WeightsError, match="sr-models train rdn_x2"):
        make()


def test_the_record_tells_courses_apart():
    first = PamsCourse(PamsSettings(4))
    for other in (PamsCourse(PamsSettings(6)), dataclasses.replace(first, alpha_rate=0.1)):
        assert other.record != first.record
