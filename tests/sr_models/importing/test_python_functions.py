import numpy as np
import pytest

from sr_models.ground.errors import NetworkError
from sr_models.importing.python_functions import load_python_network

SOURCE = """
import tf_keras
from neighbour import FACTOR

def build():
    x = tf_keras.Input((None, None, 3))
    return tf_keras.Model(x, tf_keras.layers.UpSampling2D(FACTOR)(x))

def two():
    ends = [tf_keras.Input((4, 4, 3)), tf_keras.Input((4, 4, 3))]
    return tf_keras.Model(ends, tf_keras.layers.Add()(ends))

class Uncalled(tf_keras.Model):
    def call(self, x):
        return x

def text():
    return "a network"

def needs(size):
    return size

def fails():
    raise ValueError("no weights here\\nand more lines")

number = 3
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "their_networks_for_this_test"
    package.mkdir(exist_ok=True)
    (tmp_path / "neighbour.py").write_text("FACTOR = 2")
    (package / "__init__.py").write_text("")
    (package / "small.py").write_text(SOURCE)
    (package / "neighbour.py").write_text("FACTOR = 3")
    (package / "broken.py").write_text("import no_such_module_anywhere")
    (package / "wrong.py").write_text("def build(:")
    yield
    import sys

    for name in [n for n in sys.modules if n.startswith("their_networks") or n == "neighbour"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("place", "factor"),
    [("their_networks_for_this_test.small", 2), ("their_networks_for_this_test/small.py", 3)],
)
def test_a_module_is_found_from_here_and_a_file_with_its_neighbours(place, factor):
    found = load_python_network(f"{place}:build")
    assert found.input_shape == (None, None, None, 3) and found.file.name == "small.py"
    assert found.function(np.zeros((1, 4, 5, 3), np.float32)).shape == (
        1,
        4 * factor,
        5 * factor,
        3,
    )


SMALL = "their_networks_for_this_test.small"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("no_such_module_anywhere:build", "expected a module no_such_module_anywhere"),
        ("their_networks_for_this_test.none:build", "expected a module their"),
        ("their_networks_for_this_test.broken:build", "found no module no_such_module_anywhere"),
        ("their_networks_for_this_test.wrong:build", "found SyntaxError"),
        ("none.py:build", r"found no file none\.py"),
        (f"{SMALL}:other", "expected a function other .*build"),
        (f"{SMALL}:number", "expected a function number"),
        (f"{SMALL}:", "expected a function"),
        (f"{SMALL}:text", "found str"),
        (f"{SMALL}:Uncalled", "Uncalled that has not been called"),
        (f"{SMALL}:two", "expected one input, found 2"),
        (f"{SMALL}:needs", "found TypeError"),
        (f"{SMALL}:fails", "found ValueError: no weights here;"),
    ],
)
def test_every_mistake_is_one_line(source, said):
    with pytest.raises(NetworkError, match=said) as error:
        load_python_network(source)
    assert "\n" not in str(error.value)
