import pytest

from sr_models.ground.errors import OptionError
from sr_models.ground.pixel_range import SIGNED, UNIT, Ends, PixelRange, parse_pixels


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("0..1", (0, 1), (0, 1)),
        ("-1..1", (-1, 1), (-1, 1)),
        ("0..255:0..1", (0, 255), (0, 1)),
        ("-0.5..0.5:-127.5..127.5", (-0.5, 0.5), (-127.5, 127.5)),
        (" 0..255 : -1..1 ", (0, 255), (-1, 1)),
    ],
)
def test_ranges_are_read_for_both_sides_or_apart(text, low, high):
    found = parse_pixels(text)
    assert (found.input_ends, found.output_ends) == (Ends(*low), Ends(*high))


@pytest.mark.parametrize("text", ["", "255", "0..", "1..0", "0..0", "0..1:", "0..1:0..1:0..1", "a"])
def test_anything_else_is_one_line(text):
    with pytest.raises(OptionError, match="expected black and white"):
        parse_pixels(text)


def test_they_are_told_in_words():
    assert str(PixelRange(255.0, 1.0)) == "inputs of 0..255 and outputs of 0..1"
    assert UNIT.is_unit and not SIGNED.is_unit
    assert SIGNED.to_json() == {"pixels_in": [-1.0, 1.0], "pixels_out": [-1.0, 1.0]}
