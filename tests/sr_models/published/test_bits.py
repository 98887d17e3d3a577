import pytest

from sr_models.ground.errors import OptionError
from sr_models.published.settings import largest_code, require_bits


@pytest.mark.parametrize("bits", [-8, 0, 1, 17, 32, 4.0, True, "8", None])
def test_other_widths_are_refused_by_name(bits):
    with pytest.raises(OptionError, match=r"2 to 16, found .*; give"):
        require_bits(bits)


def test_the_widths_in_between_are_taken():
    assert [require_bits(bits) for bits in range(2, 17)] == list(range(2, 17))


@pytest.mark.parametrize("bits, code", [(2, 1), (4, 7), (6, 31), (8, 127), (16, 32767)])
def test_the_largest_code_is_that_of_twos_complement(bits, code):
    assert largest_code(bits) == code
