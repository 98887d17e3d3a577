from collections import Counter

import numpy as np
import pytest

from export.running.interpreters import Tensor
from export.stripping.proof import feed, probe_pictures


def test_probes_are_of_every_kind_and_size():
    probes = list(probe_pictures(7, 11))
    assert Counter(kind for kind, _ in probes) == {
        "random": 4,
        "flat": 6,
        "gradient": 6,
        "board": 2,
        "natural": 5,
    }
    assert all(p.shape == (7, 11, 3) and p.dtype == np.uint8 for _, p in probes)
    natural = [p for kind, p in probes if kind == "natural"]
    assert len({p.tobytes() for p in natural}) == 5


def test_probes_are_the_same_for_a_seed():
    first, again, other = (
        [p.tobytes() for _, p in probe_pictures(5, 5, seed=seed)] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_one_pixel_and_a_size_beyond_every_photograph_have_probes():
    assert len(list(probe_pictures(1, 1))) == 23
    assert next(p for k, p in probe_pictures(700, 2, seed=0) if k == "natural").shape[0] == 700


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (Tensor("t", (1, 1, 1, 3), "uint8", 1 / 255, 0), [[[[0, 128, 255]]]]),
        (Tensor("t", (1, 1, 1, 3), "int8", 1 / 255, -128), [[[[-128, 0, 127]]]]),
        (Tensor("t", (1, 1, 1, 3), "float32", None, None), [[[[0.0, 128.0, 255.0]]]]),
        (Tensor("t", (1, 1, 1, 1), "uint8", 1 / 255, 0), [[[[0]]]]),
        (Tensor("t", (1, 1, 1, 4), "uint8", 1 / 255, 0), [[[[0, 128, 255, 0]]]]),
        (Tensor("t", (5,), "uint8", 1 / 255, 0), [0, 128, 255, 0, 128]),
    ],
)
def test_a_probe_fits_any_input(tensor, expected):
    picture = np.array([[[0, 128, 255]]], np.uint8)
    np.testing.assert_array_equal(feed(picture, tensor, white=255.0), expected)
    assert feed(picture, tensor, white=255.0).dtype == tensor.dtype
