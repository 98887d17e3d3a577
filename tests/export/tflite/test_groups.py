import numpy as np

from export.running.interpreters import open_model
from export.tflite.groups import groups_of, join_groups
from sr_models.tflite.unpacked import unpack


def test_one_group_gives_the_codes_of_several(small_file):
    file = small_file("xlsr", "relu")
    before = groups_of(unpack(file.content))
    assert before and set(before.values()) == {4}
    made = join_groups(file.content)
    assert not groups_of(unpack(made)) and join_groups(made) == made
    runner = open_model(made)
    found = np.stack([runner.run(picture[None])[0] for picture in file.pictures])
    np.testing.assert_array_equal(found, file.codes("xnnpack"))


def test_a_file_of_single_groups_stays_as_it_is(small_file):
    content = small_file("quicksrnet", "relu").content
    assert join_groups(content) == content
