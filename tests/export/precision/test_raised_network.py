import math

import pytest

from export.inspecting.audit import audit_model
from export.precision.kept_layers import raised_layers
from export.precision.raised_network import raise_files, unrounded
from export.precision.sensitivity import LayerSensitivity
from export.quantizing.quantized_network import Evidence, QuantizedNetwork
from export.quantizing.recipe import parse_recipe
from representative_data.dataset import RepresentativeDataset
from sr_models.ground.errors import ConversionError, OptionError
from sr_models.quantization.ranges import TensorRange


@pytest.fixture(scope="module")
def network(int8_network):
    return int8_network("xlsr")


@pytest.fixture(scope="module")
def evidence(network):
    pictures = [network.picture, network.picture[::-1].copy()]
    return Evidence(RepresentativeDataset(pictures, [], "natural", "test", "", 2), pictures)


def raised(network, evidence, *, method="natural", ranges=None, **options):
    quantized = QuantizedNetwork(network.model, ranges or network.ranges).renamed(method)
    (content,) = raise_files([network.content], network.model, quantized, evidence, **options)
    return content


def test_the_most_sensitive_layers_are_those_that_are_kept(network, evidence, monkeypatch):
    fidelities = {"first": 50.0, "merge": 40.0, "concat": math.inf, "last_relu": 45.0}
    rows = [
        LayerSensitivity(name, "Conv2D", db, math.inf, db, 0.0) for name, db in fidelities.items()
    ]
    seen = []

    def measured(model, ranges, pictures):
        seen.append((ranges.method, len(pictures)))
        return rows

    monkeypatch.setattr("export.precision.raised_network.measure_sensitivity", measured)
    content = raised(network, evidence, kept=(), most_sensitive=2)
    assert set(raised_layers(content, network.model)) == {"merge", "last_relu"}
    assert seen == [("natural", 2)], "once, on pictures of the evidence"


def test_more_layers_than_there_are_cannot_be_kept(network, evidence):
    with pytest.raises(OptionError, match=r"at most the \d layers that compute .*found 99"):
        raised(network, evidence, kept=(), most_sensitive=99)


def test_layers_by_name_are_kept_in_what_is_asked_for(network, evidence):
    content = raised(network, evidence, kept=("merge",), kept_precision="int16x8")
    assert raised_layers(content, network.model) == {"merge": "int16x8"}
    assert audit_model(content).full_integer


def test_a_float_layer_has_weights_of_the_recipes_scale_that_nothing_rounded(network, evidence):
    """Equalization rescales a kernel; rounding behind it must not reach the layer that is kept."""
    recipe = parse_recipe("natural+equalize+adaround")
    exact = unrounded(network.model, recipe.apply(network.model, evidence), evidence)
    expected = parse_recipe("natural+equalize").apply(network.model, evidence)
    for found, wanted in zip(exact.model.get_weights(), expected.model.get_weights()):
        assert (found == wanted).all()
    assert exact.ranges.method == "natural+equalize"


def test_a_file_without_its_ranges_is_not_raised(network, evidence):
    lost = network.ranges.replacing({"merge": TensorRange(0.0, 0.771)})
    with pytest.raises(ConversionError, match="found none of merge"):
        raised(network, evidence, kept=None, ranges=lost)


def test_a_layer_that_the_recipe_takes_away_is_not_kept_in_silence(network, evidence):
    with pytest.raises(OptionError, match="leaves in the network, found gone; keep the conv"):
        raised(network, evidence, kept=("gone",))
