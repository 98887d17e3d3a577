import numpy as np
import pytest
import tf_keras

from export.methods.equalize import equalize
from export.methods.relus import as_relu_pairs
from export.quantizing.defaults import DEFAULT_RECIPE
from export.quantizing.recipe import dataset_of, parse_recipe
from sr_models.ground.errors import NetworkError, OptionError
from sr_models.quantization.ranges import PIXELS


@pytest.mark.parametrize("name", ["cfqp", "natural", "cfqp+adaround", DEFAULT_RECIPE])
def test_a_name_decodes_and_reads_back(name):
    recipe = parse_recipe(name)
    assert str(recipe) == name
    assert [recipe.dataset, *(m.name for m in recipe.methods)] == name.split("+")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("magic", "found 'magic'; give one of cfqp, natural"),
        ("adaround", "found 'adaround'"),
        ("cfqp+magic", "expected a known method, found 'magic'"),
        ("cfqp+adaround+equalize", r"give cfqp\+equalize\+adaround"),
        ("cfqp+adaround+adaround", "expected each method once"),
        ("cfqp+", "expected a known method, found ''"),
        ("", "found ''"),
    ],
)
def test_a_name_that_does_not_decode_is_refused(name, message):
    with pytest.raises(OptionError, match=message):
        parse_recipe(name)


def test_a_method_that_brings_its_own_is_a_recipe_by_itself():
    assert str(parse_recipe("pams")) == str(parse_recipe("natural+pams")) == "natural+pams"
    assert dataset_of("pams") == dataset_of("natural") == "natural"
    assert str(parse_recipe("pams+bias")) == "natural+pams+bias"


@pytest.mark.slow
def test_parts_are_applied_in_order_and_are_better_together(network, evidence, distance):
    stages, before = [], [w.copy() for w in network.get_weights()]
    both = parse_recipe("natural+equalize+adaround").apply(
        network, evidence, on_stage=stages.append
    )
    assert stages == ["quantizing: equalize", "quantizing: adaround"]
    assert both.ranges.method == "natural+equalize+adaround"
    assert both.ranges["input"] == both.ranges["depth_to_space"] == PIXELS
    for a, b in zip(before, network.get_weights()):
        np.testing.assert_array_equal(a, b, err_msg="the network is left alone")
    plain, rounded = (
        parse_recipe(name).apply(network, evidence) for name in ("natural", "natural+adaround")
    )
    errors = [distance(found, network, evidence.pictures) for found in (both, rounded, plain)]
    assert errors[0] < errors[1] < errors[2]


def test_what_a_method_finds_for_pixels_is_overruled(network, evidence, monkeypatch):
    """The pixel contract is no method's to change."""
    from export.quantizing.registry import _METHODS, Method
    from sr_models.quantization.ranges import TensorRange

    def greedy(net, _):
        return type(net)(net.model, net.ranges.replacing({"input": TensorRange(0.0, 0.5)}))

    method = Method("greedy", "ranges", "here", "Spoils it.", greedy)
    monkeypatch.setitem(_METHODS._entries, "greedy", method)
    found = parse_recipe("natural+greedy").apply(network, evidence)
    assert found.ranges["input"] == PIXELS


def test_weights_of_a_layer_that_is_called_twice_are_not_changed(evidence):
    picture = tf_keras.Input((None, None, 3), name="input")
    shared = tf_keras.layers.Conv2D(3, 3, padding="same", name="shared")
    bent = tf_keras.layers.PReLU(shared_axes=[1, 2], name="bent")
    once = bent(shared(picture))
    model = tf_keras.Model(picture, shared(bent(shared(once))))
    for change in (
        lambda: parse_recipe("cfqp+adaround").apply(model, evidence),
        lambda: equalize(model, evidence.stack(1)),
        lambda: as_relu_pairs(model),
    ):
        with pytest.raises(NetworkError, match="found shared called 3 times; give each call"):
            change()
    assert parse_recipe("cfqp+percentile").apply(model, evidence).ranges
