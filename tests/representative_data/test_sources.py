import pytest

from representative_data import pictures as sources
from sr_models.ground.errors import PictureError
from sr_models.ground.files import file_sha256
from sr_models.ground.pictures import load_image


def test_scikit_image_brings_pictures_for_both_purposes():
    calibration = sources.bundled_pictures()
    held_out = sources.bundled_pictures(sources.BUNDLED_HELD_OUT)
    assert len(calibration) == 12 and len(held_out) == 3
    hashes = [file_sha256(path) for path in (*calibration, *held_out)]
    assert len(set(hashes)) == 15
    assert all(load_image(path).shape[2] == 3 for path in (*calibration, *held_out))


def test_a_picture_that_is_not_there_is_named():
    with pytest.raises(PictureError, match=r"expected unicorn\.png in .*--images"):
        sources.bundled_pictures(("camera.png", "unicorn.png"))
