import pytest
import tf_keras

from sr_models.ground.errors import NetworkError, OptionError
from sr_models.importing.ends import Ends, output_place, place_of
from sr_models.importing.python_functions import take_keras_model
from sr_models.importing.source_kinds import require_source
from sr_models.importing.sources import open_network

LOW, SMALL, FEATURES, LARGE = (1, 8, 10, 3), (1, 4, 5, 3), (1, 16, 20, 32), (1, 16, 20, 3)


@pytest.mark.parametrize(
    ("shapes", "place"),
    [
        ([FEATURES, LARGE], 1),
        ([LARGE, SMALL, None], 0),
        ([LOW, LARGE], 1),  # one that is as large as the input is none where another grows
        ([LOW, FEATURES], 0),
        ([FEATURES], 0),  # what there is, is read and refused
    ],
)
def test_the_output_that_is_a_picture_is_found(shapes, place):
    names = [f"y{i}" for i in range(len(shapes))]
    assert output_place(names, shapes, LOW, asked=None) == place


@pytest.mark.parametrize(
    ("shapes", "found"), [([LARGE, LARGE], "found 2"), ([FEATURES, SMALL], "found none")]
)
def test_where_none_or_several_may_be_it_all_are_named(shapes, found):
    with pytest.raises(NetworkError, match=f"{found} among a, b; say which with --output NAME"):
        output_place(["a", "b"], shapes, LOW, asked=None)


def test_names_come_before_numbers():
    assert place_of("1", ["1", "0"], what="output") == 0
    assert place_of("1", ["a", "b"], what="output") == 1
    with pytest.raises(NetworkError, match="--input to be one of a, b, found '2'"):
        place_of("2", ["a", "b"], what="input")
    assert Ends(output=1).output == "1"
    with pytest.raises(OptionError, match=r"expected output to be a name or a number, found 1.5"):
        Ends(output=1.5)


def test_a_model_of_several_outputs_in_memory_and_in_a_file(tmp_path):
    x = tf_keras.Input((8, 10, 3))
    wide = tf_keras.layers.Conv2D(6, 3, padding="same", name="features")(x)
    large = tf_keras.layers.UpSampling2D(2, name="large")(tf_keras.layers.Conv2D(3, 1)(wide))
    model = tf_keras.Model(x, [wide, large, x])
    _require_the_large_one_of_a_file(model, tmp_path / "net.keras")
    assert take_keras_model(model).notes[0].startswith("took the output large of features, large")
    network = open_network(model, output="large", pixels="0..1")
    assert network.scale == 2 and network.origin["done"][0].startswith("took the output large")
    with pytest.raises(NetworkError, match="times as large"):
        open_network(model, output=0)
    with pytest.raises(NetworkError, match="--output to be one of features, large"):
        open_network(model, output="sr")
    with pytest.raises(OptionError, match="expected --signature with a SavedModel folder"):
        open_network(model, signature="serving_default")


def _require_the_large_one_of_a_file(model, path):
    model.save(path)
    for output in (None, "large", 1):
        network = open_network(path, output=output, pixels="0..1")
        assert network.scale == 2 and network.origin["check"]["checked_against_source"]
        assert network.notes[0].startswith("took the output large of features, large")
    with pytest.raises(NetworkError, match="times as large"):
        open_network(path, output="features")
    with pytest.raises(NetworkError, match="--output to be one of features, large"):
        open_network(path, output=3)


def test_ends_of_what_has_one_of_each_are_refused_at_once():
    for ends in (Ends(input="x"), Ends(output="y"), Ends(signature="z")):
        with pytest.raises(OptionError, match=f"expected {ends.given[0]} with .*, found xlsr_x3"):
            require_source("xlsr_x3", ends=ends)
