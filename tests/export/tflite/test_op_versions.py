import pytest

from export.tflite.operators import BASELINE, runtime_needed


@pytest.mark.parametrize(
    ("name", "version", "release"),
    [
        ("CONV_2D", 3, (2, 5)),
        ("CONV_2D", 6, (2, 9)),
        ("CONV_2D", 8, (2, 15)),
        ("CONV_2D", 99, (2, 15)),
        ("DEPTH_TO_SPACE", 2, BASELINE),
        ("an operator of the user", 1, BASELINE),
    ],
)
def test_the_release_that_first_had_a_version(name, version, release):
    assert runtime_needed(name, version) == release
