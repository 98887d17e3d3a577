import numpy as np
import pytest

from export.methods.choose import choose_ranges, chosen, mean_square
from export.quantizing.quantized_network import observe
from sr_models.networks.network import build_trunk
from sr_models.networks.tails import attach_tail
from sr_models.quantization.ranges import PIXELS, TensorRange
from tests.families import random_weights


def errors(model, pictures, *ranges):
    expected = np.clip(model(pictures).numpy(), 0.0, 1.0)
    return [mean_square(model, r, pictures=pictures, expected=expected) for r in ranges]


def test_a_good_candidate_is_taken_and_a_bad_one_is_not(network, evidence):
    plain = observe(network, evidence).ranges
    right = plain["concat"]
    wide = TensorRange(right.minimum * 20, right.maximum * 20)
    narrow = TensorRange(right.minimum * 0.05, right.maximum * 0.05)
    found = choose_ranges(
        network,
        plain.replacing({"concat": wide}),
        candidates={"concat": [narrow, right], "merge": [TensorRange(0.0, 1e-3)]},
        pictures=evidence.stack(2),
    )
    assert found["concat"] == right
    assert found["merge"] == plain["merge"]


@pytest.mark.slow
def test_the_output_gets_no_worse_and_pixels_stay_pixels(smallest_preset, evidence):
    """Each candidate of each tensor is a network built anew, so of few tensors."""
    small = attach_tail(random_weights(build_trunk(smallest_preset)), "relu", scale=3)
    plain = observe(small, evidence)
    found = chosen(plain, evidence)
    before, after = errors(small, evidence.stack(8), plain.ranges, found.ranges)
    assert after <= before
    assert found.ranges["input"] == found.ranges["depth_to_space"] == PIXELS
