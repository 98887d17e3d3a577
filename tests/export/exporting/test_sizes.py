import pytest

from export.exporting.file_choices import file_names
from export.exporting.settings import ExportSettings
from sr_models.ground.errors import OptionError
from sr_models.ground.sizes import DYNAMIC, Size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("360x640", Size(360, 640)), (" 1X8192 ", Size(1, 8192)), ("dynamic", DYNAMIC)],
)
def test_a_size_is_read(text, size):
    assert parse_size(text) == size
    assert parse_size(str(size)) == size


@pytest.mark.parametrize("text", ["", "360", "360x", "360*640", "-1x4", "0x4", "9000x4", "1e3x4"])
def test_no_size(text):
    with pytest.raises(OptionError):
        parse_size(text)


def test_half_a_size_is_none():
    with pytest.raises(OptionError, match="both or neither"):
        Size(360, None)


def test_one_file_has_the_plain_name():
    assert file_names([DYNAMIC]) == ["model.tflite"]
    assert file_names([Size(3, 4), DYNAMIC]) == ["model_3x4.tflite", "model_dynamic.tflite"]


def test_each_size_counts_once_and_none_is_the_usual_one():
    sizes = (Size(3, 4), DYNAMIC, Size(3, 4))
    assert ExportSettings(sizes=sizes).files.sizes == (Size(3, 4), DYNAMIC)
    assert ExportSettings(sizes=()).files.sizes == ExportSettings().files.sizes == (Size(360, 640),)
