import json

import numpy as np
import pytest

from representative_data.dataset import Record, RepresentativeDataset, load_dataset
from sr_models.ground.errors import CalibrationError, OutputError


@pytest.fixture
def dataset():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(3, 250, (5, 7, 3), dtype=np.uint8) for _ in range(3)]
    records = [
        Record(f"p{i}.png", "ab" * 32, i, 2 * i, status, 0.5, 1.5, 0.0, (-0.1, 1.2), (0.0, 0.9 + i))
        for i, status in enumerate(["kept", "tamed", "anchor", "dropped"])
    ]
    return RepresentativeDataset(pictures, records, "cfqp", "net", "cd" * 32, 3, {"seed": 4})


def test_calling_it_yields_what_a_converter_wants(dataset):
    samples = list(dataset())
    assert len(samples) == len(dataset) == 3
    for (sample,), picture in zip(samples, dataset.pictures):
        assert sample.shape == (1, 5, 7, 3) and sample.dtype == np.float32
        np.testing.assert_array_equal(np.rint(sample[0] * 255).astype(np.uint8), picture)
    assert len(list(dataset())) == 3  # and again from the start


def test_dropped_pictures_do_not_count_in_the_output_range(dataset):
    assert dataset.output_range == (0.0, 2.9)
    assert dataset.count("dropped") == 1


def test_a_saved_set_comes_back_whole(dataset, tmp_path):
    path = tmp_path / "rd.npz"
    dataset.save(path)
    again = load_dataset(path)
    assert again.to_json() == dataset.to_json()
    assert again.records == dataset.records
    for first, second in zip(again.pictures, dataset.pictures):
        np.testing.assert_array_equal(first, second)
    assert [p.name for p in tmp_path.iterdir()] == ["rd.npz"]


def test_a_set_of_another_network_is_refused(dataset):
    dataset.require_network(network="net", weights_sha256="cd" * 32)
    with pytest.raises(CalibrationError, match="shaped by net"):
        dataset.require_network(network="other", weights_sha256="ef" * 32)


@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "other archive", "newer"])
def test_a_file_that_is_no_set_is_refused_in_one_line(dataset, tmp_path, damage):
    path = tmp_path / "rd.npz"
    dataset.save(path)
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("not an archive")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:200])
    elif damage == "other archive":
        np.savez(path, something=np.zeros(3))
    else:
        np.savez(path, history=np.array(json.dumps({"format": 99})))
    with pytest.raises(CalibrationError, match="expected a representative dataset") as caught:
        load_dataset(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(CalibrationError, match="found no file"):
        load_dataset(tmp_path / "none.npz")


def test_a_place_that_cannot_be_written_to_leaves_nothing(dataset, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        dataset.save(tmp_path / "file" / "rd.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
