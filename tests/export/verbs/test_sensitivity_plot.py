import math
import xml.etree.ElementTree

import pytest
from PIL import Image

from export.precision.sensitivity import LayerSensitivity
from export.verbs.sensitivity import error_grey_levels, save_plot
from sr_models.ground.errors import OptionError

ROWS = [
    LayerSensitivity("first", "Conv2D", 60.0, 55.0, 54.0, 0.2),
    LayerSensitivity("joined", "Concatenate", math.inf, 48.13, 48.13, 0.8),
]


def test_48_db_is_one_grey_level():
    """20 log10(255) = 48.13 dB: the error is one level of 255."""
    assert error_grey_levels(48.1308) == pytest.approx(1.0, abs=1e-4)
    assert error_grey_levels(math.inf) == 0.0


def test_a_plot_names_every_layer_and_is_the_same_again(tmp_path):
    for name in ("a.svg", "b.svg"):
        save_plot(ROWS, tmp_path / name, title="of a test")
    text = (tmp_path / "a.svg").read_text()
    words = "".join(xml.etree.ElementTree.fromstring(text).itertext())
    assert all(word in words for word in ("first", "joined", "of a test", "weights", "grey levels"))
    assert (tmp_path / "b.svg").read_text() == text


def test_a_plot_as_png(tmp_path):
    save_plot(ROWS, tmp_path / "plot.PNG", title="of a test")
    assert Image.open(tmp_path / "plot.PNG").size[0] > 500


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(OptionError, match=r"named \.png or \.svg, found .*plot\.jpg"):
        save_plot(ROWS, tmp_path / "plot.jpg", title="of a test")
    assert list(tmp_path.iterdir()) == []
