import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from export.running.interpreters import open_model
from export.running.pixels import upscale
from runtime_bench.comparing.crops import GAIN, place_of_most, take_crops
from runtime_bench.measuring.quality import find_datasets, load_pair
from runtime_bench.measuring.usage import require_crops
from sr_models.ground.errors import OptionError


def pixels_of(uri):
    data = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)))


@given(
    weights=arrays(np.uint16, st.tuples(st.integers(3, 9), st.integers(3, 9))),
    height=st.integers(1, 3),
    width=st.integers(1, 3),
)
def test_the_place_has_the_largest_sum(weights, height, width):
    top, left = place_of_most(weights, height=height, width=width)
    sums = {
        (y, x): int(weights[y : y + height, x : x + width].sum())
        for y in range(weights.shape[0] - height + 1)
        for x in range(weights.shape[1] - width + 1)
    }
    assert sums[top, left] == max(sums.values())


def test_crops_show_the_same_place_of_every_file(files, ground_truth):
    runners = [open_model(path) for path in (files.clipped, files.clip_free)]
    first, second = take_crops(runners, find_datasets(ground_truth), count=1)
    assert (first.dataset, first.image, second.dataset) == ("first", "astronaut.png", "second")
    pair = load_pair(ground_truth / "first" / "astronaut.png", scale=2)
    height, width = first.truth.shape[:2]
    assert (height, width) == pair.high.shape[:2]
    told = first.to_json()
    np.testing.assert_array_equal(pixels_of(told["truth"]), pair.high)
    for runner, shown in zip(runners, told["files"]):
        assert shown["model"] == runner.model.name
        made = upscale(runner, pair.low).raw
        np.testing.assert_array_equal(pixels_of(shown["picture"]), made)
        apart = np.abs(made.astype(int) - pair.high) * GAIN
        np.testing.assert_array_equal(pixels_of(shown["difference"]), np.minimum(apart, 255))


def test_large_pictures_are_cut_where_a_file_is_farthest_from_the_truth(
    files, photographs, tmp_path
):
    Image.fromarray(photographs["coffee"][:200, :240]).save(tmp_path / "coffee.png")
    runner = open_model(files.clip_free)
    (crop,) = take_crops([runner], find_datasets(tmp_path), count=3)
    assert crop.truth.shape == (96, 96, 3)
    pair = load_pair(tmp_path / "coffee.png", scale=2)
    apart = np.abs(upscale(runner, pair.low).raw.astype(int) - pair.high).sum(axis=2)
    here = apart[crop.top : crop.top + 96, crop.left : crop.left + 96].sum()
    assert here >= max(apart[:96, :96].sum(), apart[-96:, -96:].sum())


def test_no_crops_and_too_many(files, ground_truth):
    assert take_crops([open_model(files.clipped)], find_datasets(ground_truth), count=0) == []
    for count in (-1, 21):
        with pytest.raises(OptionError, match="0 to 20 crops"):
            require_crops(count)
