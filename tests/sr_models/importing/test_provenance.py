import pytest
import tf_keras

from sr_models.ground.errors import NetworkError
from sr_models.importing.keras_files import load_keras_file
from sr_models.importing.provenance import is_of_keras, is_of_ours

CONV = {"filters": 3, "kernel_size": [3, 3], "padding": "same", "name": "mine"}


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("name", ["shuffle", "clip", "relu", "named"])
def test_a_class_or_function_called_like_a_known_one_is_unknown(name, suffix, keras3_files):
    """Each computes something else than Keras', or we, do under that name."""
    with pytest.raises(NetworkError, match=r"mine.*module:function"):
        load_keras_file(keras3_files / f"{name}.{suffix}")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"class_name": "Conv2D", "config": CONV}, True),
        ({"class_name": "Conv2D", "config": CONV, "module": "keras.layers"}, True),
        (
            {
                "class_name": "Conv2D",
                "config": CONV,
                "module": "keras.layers",
                "registered_name": None,
            },
            True,
        ),
        ({"class_name": "Conv2D", "config": CONV, "module": "keras_tuner.layers"}, False),
        (
            {"class_name": "Conv2D", "config": CONV, "module": None, "registered_name": "Conv2D"},
            False,
        ),
        ({"class_name": "Conv2D", "config": CONV, "registered_name": "Conv2D"}, False),
        ({"class_name": "mine>Conv2D", "config": CONV}, False),
        ({"class_name": "Conv2D", "config": {"name": "mine"}}, False),
        ({"class_name": "Conv2D", "config": {**CONV, "weight_norm": True}}, False),
        ({"class_name": "Conv2D", "config": {**CONV, "later_option": None}}, True),
    ],
)
def test_what_an_entry_says_of_its_class(entry, expected):
    assert is_of_keras(entry, known=tf_keras.layers.Conv2D) == expected


def test_our_own_classes_are_those_under_our_own_name():
    assert is_of_ours({"class_name": "sr_models>DepthToSpace"})
    assert is_of_ours({"class_name": "DepthToSpace", "registered_name": "sr_models>DepthToSpace"})
    assert not is_of_ours({"class_name": "DepthToSpace"})
    assert not is_of_ours({"class_name": "DepthToSpace", "registered_name": "mine>sr_models>D"})
