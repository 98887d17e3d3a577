import pytest

from representative_data.options import require_open_tail
from sr_models.ground.errors import OptionError


@pytest.mark.parametrize("tail", ["relu", "none"])
def test_tails_that_show_what_must_be_tamed_are_taken(tail):
    assert require_open_tail(tail) == tail


@pytest.mark.parametrize("tail", ["clip", "conv_clip", "magic"])
def test_tails_that_hide_it_are_refused(tail):
    with pytest.raises(OptionError, match=f"found '{tail}'"):
        require_open_tail(tail)
