from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sr_models.ground.arguments import (
    a_file,
    a_flag,
    a_keras_model,
    a_path,
    a_picture,
    a_text,
    an_array,
    described,
    either,
    finite_number,
    having,
    of_type,
    optional,
    require_fields,
    several,
    takes,
    whole_number,
)
from sr_models.ground.errors import OptionError

PICTURE = np.zeros((4, 5, 3), np.uint8)

GOOD = [
    (whole_number(), 0),
    (whole_number(1, 3), np.int64(3)),
    (finite_number, 0.5),
    (finite_number, np.float32(2)),
    (a_flag, False),
    (a_text, "x"),
    (a_path, Path("x")),
    (a_path, "x"),
    (a_file, b""),
    (an_array, np.zeros((2, 2))),
    (a_picture, PICTURE),
    (a_picture, PICTURE[..., :1]),
    (optional(a_text), None),
    (either(a_text, whole_number()), 3),
    (several(a_text, what="names"), ("a", "b")),
    (of_type(Path, cure="give one"), Path()),
    (having("shape", what="a shape", cure="give one"), PICTURE),
]
WRONG = [
    (whole_number(), 1.5, "a whole number as it, found 1.5"),
    (whole_number(), True, "a whole number as it, found True"),
    (whole_number(1), 0, "a whole number of 1 or more as it, found 0"),
    (whole_number(1, 3), 4, "a whole number of 1 or more and at most 3 as it, found 4"),
    (finite_number, float("nan"), "a finite number as it, found nan"),
    (finite_number, "1", "a finite number as it, found '1'"),
    (a_flag, 1, "True or False as it, found 1"),
    (a_text, "", "text as it, found ''"),
    (a_path, None, "a path as it, found None"),
    (a_path, "", "a path as it, found ''"),
    (a_file, 3, "a path or a file's bytes as it, found 3"),
    (an_array, np.zeros((0, 2)), r"an array of pixels as it, found an array of float64 \[0, 2\]"),
    (a_picture, PICTURE[None], r"\(height, width, 3\) as it, found an array of uint8 \[1, 4"),
    (a_picture, PICTURE.astype(float), "found an array of float64"),
    (a_keras_model, len, "a Keras model as it, found a builtin_function"),
    (either(a_text, whole_number()), 1.5, "a whole number as it"),
    (several(a_text, what="names"), [], "a sequence of names as it, found an empty list"),
    (several(a_text, what="names"), "ab", "a sequence of names as it, found 'ab'"),
    (several(a_text, what="names"), ["a", 3], r"text as it\[1\], found 3"),
    (of_type(Path, cure="give one"), "x", "a Path as it, found 'x'; give one"),
    (having("shape", what="a shape", cure="give one"), 3, "a shape as it, found 3; give one"),
]


@pytest.mark.parametrize(("requirement", "value"), GOOD)
def test_what_can_be_used_passes(requirement, value):
    requirement("it", value)


@pytest.mark.parametrize(("requirement", "value", "said"), WRONG)
def test_what_cannot_be_used_is_said_in_three_parts(requirement, value, said):
    with pytest.raises(OptionError, match=said) as error:
        requirement("it", value)
    assert str(error.value).startswith("expected ") and "; " in str(error.value)


def test_arguments_are_looked_at_by_name_and_defaults_are_not():
    @takes(count=whole_number(1), name=a_text)
    def repeated(name, *, count=None):
        """Says it."""
        return name, count

    assert repeated("a") == ("a", None) and repeated.__doc__ == "Says it."
    with pytest.raises(OptionError, match="text as name, found 3"):
        repeated(3)
    with pytest.raises(OptionError, match="as count, found 0"):
        repeated("a", count=0)
    with pytest.raises(TypeError, match="unexpected keyword"):
        repeated("a", times=2)


def test_fields_of_a_dataclass_are_looked_at():
    @dataclass(frozen=True)
    class Pair:
        low: int = 0

        def __post_init__(self):
            require_fields(self, low=whole_number(0))

    assert Pair(3).low == 3
    with pytest.raises(OptionError, match="as low, found -1"):
        Pair(-1)


def test_values_are_described_on_one_short_line():
    assert described("a\n" * 80) == repr("a\n" * 80)[:60] + "..."
    assert described({"a": 1}) == "a dict" and described(()) == "an empty tuple"
