import re

import numpy as np
import pytest

from representative_data.cfqp import why_untamable
from representative_data.dataset import Record
from representative_data.probe import OutputProbe
from representative_data.taming import Taming


def linear(gain, offset):
    def probe(pictures):
        ends = [(p.min() / 255 * gain + offset, p.max() / 255 * gain + offset) for p in pictures]
        low, high = (np.array([[end] * 3 for end in side]) for side in zip(*ends))
        return OutputProbe(low, high)

    return probe


def record(low, high):
    return Record("p", "", 0, 0, "dropped", 1.0, 0.0, 0.0, (low, high), (low, high), 10)


@pytest.mark.parametrize(
    ("probe", "output", "taming", "said"),
    [
        (linear(0.01, 1.3), (1.3, 1.31), Taming(), r"black is answered with 1\.300 .* load its"),
        (linear(-1.0, 1.2), (0.2, 1.2), Taming(), "no change of a picture moves the output"),
        (linear(1.3, 0.0), (0.0, 1.3), Taming("select"), "--taming contrast"),
        (linear(1.0, -0.1), (-0.1, 0.9), Taming("intensity"), "cannot lift .* --tail relu"),
        (linear(1.0, 1.1), (1.1, 2.1), Taming(), r"even flat black is answered with 1\.100"),
        (linear(1.0, 0.0), (0.0, 1.1), Taming("blur"), "flat pictures do fit.*--max-passes"),
    ],
)
def test_the_reason_is_found_by_what_flat_pictures_give(probe, output, taming, said):
    found = why_untamable(probe, record(*output), taming, side=16)
    assert re.search(said, found), found
    assert "\n" not in found
