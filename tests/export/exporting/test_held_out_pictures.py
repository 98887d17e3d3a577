import shutil

import pytest

from export.exporting.shaping import unseen_pictures
from representative_data.pictures import split_pictures
from sr_models.ground.bundled import BUNDLED, BUNDLED_HELD_OUT
from sr_models.ground.files import file_sha256


def test_of_a_folder_every_fifth_picture_is_held_out(picture_folder):
    calibration, held_out = split_pictures(picture_folder)
    assert len(calibration) == 3 and len(held_out) == 1
    assert not set(calibration) & set(held_out)
    one = sorted(picture_folder.iterdir())[0]
    assert one in held_out


@pytest.mark.parametrize(("pictures", "expected"), [(2, 1), (5, 1), (6, 2), (11, 3)])
def test_no_picture_is_lost_and_both_parts_have_some(pictures, expected, picture_folder, tmp_path):
    picture = sorted(picture_folder.iterdir())[0]
    paths = [shutil.copy(picture, tmp_path / f"{number:02}.png") for number in range(pictures)]
    calibration, held_out = split_pictures(tmp_path)
    assert len(held_out) == expected and calibration
    assert sorted([*calibration, *held_out]) == paths


def test_a_lone_picture_calibrates(picture_folder, tmp_path):
    one = tmp_path / "one.png"
    shutil.copy(sorted(picture_folder.iterdir())[0], one)
    assert split_pictures(tmp_path) == ([one], [])


def test_without_a_folder_the_bundled_scenes_are_taken():
    names = [[path.name for path in paths] for paths in split_pictures(None)]
    assert names == [list(BUNDLED), list(BUNDLED_HELD_OUT)]


def test_a_copy_under_another_name_has_been_seen(natural, picture_folder, tmp_path):
    seen, *_ = sorted(picture_folder.iterdir())
    copy = shutil.copy(seen, tmp_path / "copy.png")
    other = tmp_path / "other.png"
    other.write_bytes(b"another picture")
    assert unseen_pictures([seen, copy, other], natural) == {other: file_sha256(other)}


def test_where_all_were_seen_the_bundled_ones_serve(natural, picture_folder):
    unseen = unseen_pictures(sorted(picture_folder.iterdir()), natural)
    assert [path.name for path in unseen] == list(BUNDLED_HELD_OUT)
