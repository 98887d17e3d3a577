import pytest

from representative_data.dataset import load_dataset
from sr_models.ground.errors import SrError
from sr_models.ground.pictures import load_image
from sr_models.ground.pointers import is_pointer
from sr_models.networks.network import load_trunk
from sr_models.networks.presets import get_preset
from sr_models.tflite.files import read_model

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n"


def weights(path):
    return load_trunk(get_preset("xlsr_x3"), weights=path)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.tflite", read_model),
        ("a.png", load_image),
        ("a.npz", load_dataset),
        ("a.weights.h5", weights),
    ],
)
def test_whatever_is_read_a_pointer_is_called_one(name, read, tmp_path):
    (tmp_path / name).write_text(POINTER)
    with pytest.raises(SrError, match=r"found a Git LFS pointer to one: .*git lfs pull"):
        read(tmp_path / name)


def test_other_files_are_no_pointers(tmp_path):
    (tmp_path / "text").write_text("version 1")
    assert not is_pointer(tmp_path / "text")
    assert not is_pointer(tmp_path / "none") and not is_pointer(tmp_path)
