import dataclasses
import types

import numpy as np
import pytest

from export.exporting.conversion import convert_float
from export.running.interpreters import open_model
from export.running.plan import Plan
from export.running.statistics import compare_samples
from runtime_bench.comparing.comparison import (
    FileComparison,
    code_difference,
    compare_entries,
    compare_files,
    largest_drop,
    psnr_drops,
)
from runtime_bench.comparing.gates import Gates
from runtime_bench.measuring.latency import open_entries
from runtime_bench.measuring.quality import ImageQuality, QualityResult, find_datasets
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.ground.metrics import Quality
from tests.networks import sharpening_network

SHORT = Plan(runs=5, warmup=0)


def rated(dataset, rgb_db, y_db, *, model="m"):
    quality = Quality(rgb_db, y_db, 0.9)
    return QualityResult(model, dataset, 2, None, (ImageQuality("a.png", quality, quality),))


def test_a_drop_is_positive_where_the_candidate_is_worse():
    drops = psnr_drops(
        [
            rated("one", 30.0, 32.0),
            rated("one", 29.5, 32.25),
            rated("two", 25.0, 26.0),
            rated("two", 25.0, 25.0),
        ]
    )
    assert drops == {
        "one": {"psnr_drop_db": 0.5, "psnr_y_drop_db": -0.25},
        "two": {"psnr_drop_db": 0.0, "psnr_y_drop_db": 1.0},
    }
    assert largest_drop(drops, "psnr_drop_db") == 0.5
    assert largest_drop(drops, "psnr_y_drop_db") == 1.0
    assert largest_drop({}, "psnr_drop_db") is None


def test_two_faultless_files_are_equally_good():
    infinite = float("inf")
    drops = psnr_drops([rated("one", infinite, 40.0), rated("one", infinite, 40.0)])
    assert drops["one"]["psnr_drop_db"] == 0.0


@pytest.mark.parametrize("name", ["clip_free", "clip_free_int8", "floating"])
def test_a_file_does_not_differ_from_itself(name, files):
    path = getattr(files, name)
    found = code_difference(open_model(path), open_model(path))
    assert (found.max_abs_code_difference, found.differing_fraction) == (0, 0.0)


def test_codes_are_compared_on_the_picture_that_is_given(files, photographs):
    """A flat grey that each of the files upscales alike, where noise drives them apart."""
    first, second = open_model(files.clip_free), open_model(files.natural)
    grey = np.full((9, 9, 3), 128, np.uint8)
    noise, flat = code_difference(first, second), code_difference(first, second, picture=grey)
    assert flat.max_abs_code_difference < noise.max_abs_code_difference
    picture = photographs["chelsea"]
    assert code_difference(first, first, picture=picture).max_abs_code_difference == 0
    assert (
        0
        < code_difference(first, second, picture=picture).max_abs_code_difference
        < noise.max_abs_code_difference
    )


@pytest.mark.parametrize("other", ["clip_free_int8", "floating", "clipped"])
def test_other_interfaces_are_compared_as_pixels(other, files):
    first, second = open_model(files.clip_free), open_model(getattr(files, other))
    found = code_difference(first, second)
    assert found.max_abs_code_difference <= (0 if other == "clip_free_int8" else 3)
    assert found == code_difference(first, second) == code_difference(second, first)


def test_a_broken_contract_is_a_large_difference(files):
    found = code_difference(open_model(files.clip_free), open_model(files.natural))
    assert found.max_abs_code_difference > 20 and found.differing_fraction > 0.5
    assert found.to_json() == {
        "max_abs_code_difference": found.max_abs_code_difference,
        "differing_fraction": found.differing_fraction,
    }


def test_other_input_sizes_cannot_be_compared(files):
    small = open_model(files.clipped, height=12, width=12)
    with pytest.raises(ModelFileError, match="give --size"):
        code_difference(open_model(files.clip_free), small)


def test_other_scale_factors_cannot_be_compared(files, tmp_path):
    threefold = tmp_path / "x3.tflite"
    threefold.write_bytes(convert_float(sharpening_network(scale=3), height=24, width=24))
    with pytest.raises(ModelFileError, match="compare files of one scale factor"):
        compare_files(files.clip_free, threefold, plan=SHORT)


@pytest.fixture(scope="module")
def compared(files, ground_truth):
    """The clipped file against the clip-free one, with every gate that looks at the file."""
    return compare_files(
        files.clipped,
        files.clip_free,
        plan=SHORT,
        delegate="builtin",
        datasets=find_datasets(ground_truth),
        scale=2,
        gates=Gates(
            max_psnr_drop_db=0.2, max_code_difference=5, no_clip_ops=True, pixel_contract=True
        ),
    )


def test_clip_free_against_clipped(compared):
    assert all(compared.gates.values()), compared.gates
    assert compared.reasons == ()
    assert compared.difference.max_abs_code_difference <= 3
    assert [result.dataset for result in compared.quality] == ["first", "first", "second", "second"]
    assert set(compared.psnr_drops_db) == {"first", "second"}


def test_json_is_flat(compared):
    row = compared.to_json()
    assert row["speedup"] == pytest.approx(
        row["baseline"]["median_ms"] / row["candidate"]["median_ms"]
    )
    assert row["speedup_low"] <= row["speedup_high"]
    # Five rounds are too few for a verdict.
    assert (row["significant"], row["verdict"]) == (False, "no difference shown")
    drops = [drop["psnr_drop_db"] for drop in row["psnr_drops_db"].values()]
    assert row["psnr_drop_db"] == max(drops)
    assert row["size_ratio"] == row["candidate"]["size_bytes"] / row["baseline"]["size_bytes"]
    assert row["gates"] == {
        "max_psnr_drop_db": True,
        "max_code_difference": True,
        "no_clip_ops": True,
        "pixel_contract": True,
    }
    assert len(row["quality"]) == 4 and row["samples"] == 48 * 48 * 3


def test_the_other_way_round_the_clip_is_named(files):
    found = compare_files(
        files.clip_free,
        files.clipped,
        plan=SHORT,
        gates=Gates(no_clip_ops=True, pixel_contract=True),
    )
    assert found.gates == {"no_clip_ops": False, "pixel_contract": True}
    assert any("MINIMUM" in reason for reason in found.reasons)


def test_a_broken_contract_fails_its_gate_and_costs_psnr(files, ground_truth):
    found = compare_files(
        files.clipped,
        files.natural,
        plan=SHORT,
        delegate="builtin",
        datasets=find_datasets(ground_truth),
        gates=Gates(max_psnr_drop_db=1.0, no_clip_ops=True, pixel_contract=True),
    )
    assert found.gates == {
        "max_psnr_drop_db": False,
        "no_clip_ops": True,
        "pixel_contract": False,
    }
    assert any("scale" in reason or "stands for" in reason for reason in found.reasons)
    assert found.to_json()["psnr_drop_db"] > 3


def test_reasons_are_given_for_failed_gates_alone(files):
    """A clip that nobody forbade is no reason."""
    found = compare_files(
        files.clip_free, files.clipped, plan=SHORT, gates=Gates(pixel_contract=True)
    )
    assert found.gates == {"pixel_contract": True}
    assert found.reasons == ()


def test_files_that_were_never_on_disk_can_be_audited(files):
    entries = open_entries([files.clip_free.read_bytes()] * 2)
    found = compare_entries(*entries, SHORT, gates=Gates(no_clip_ops=True))
    assert found.gates == {"no_clip_ops": True}


def test_another_audit_can_be_given(files):
    contract = types.SimpleNamespace(holds=False, reasons=("made up",))
    seen = []

    def audit(source):
        seen.append(source)
        return types.SimpleNamespace(clip_ops=(), pixel_contract=contract)

    entries = open_entries([files.clip_free, files.clip_free_int8])
    found = compare_entries(*entries, SHORT, gates=Gates(pixel_contract=True), audit=audit)
    assert len(seen) == 1
    assert found.gates == {"pixel_contract": False}
    assert found.reasons == ("made up",)


def test_a_psnr_gate_needs_pictures(files):
    with pytest.raises(OptionError, match="give --data"):
        compare_files(files.clipped, files.clip_free, plan=SHORT, gates=Gates(max_psnr_drop_db=0.1))


def test_without_pictures_there_is_no_drop(files):
    row = compare_files(files.clipped, files.clip_free, plan=SHORT).to_json()
    assert row["psnr_drop_db"] is row["psnr_y_drop_db"] is None
    assert row["quality"] == [] and row["gates"] == {}


def test_the_cold_run_is_the_first(files):
    """Nothing may warm a file up before its cold first inference is timed."""
    entries = [
        dataclasses.replace(entry, runner=Counting(entry.runner))
        for entry in open_entries([files.clipped, files.clip_free])
    ]
    calls = []
    compare_entries(
        *entries,
        SHORT,
        on_step=lambda *step: calls.append([entry.runner.invoked for entry in entries]),
    )
    # After the first round each has been invoked once cold and once timed.
    assert calls[0] == [2, 2]


class Counting:
    """A runner that counts how often it was invoked, by whatever way."""

    def __init__(self, runner):
        self._runner = runner
        self.invoked = 0

    def __getattr__(self, name):
        return getattr(self._runner, name)

    def invoke(self):
        self.invoked += 1
        self._runner.invoke()

    def run(self, array):
        self.set_inputs(array)
        self.invoke()
        return self.output()


def test_a_comparison_can_be_built_by_hand(compared):
    speed = compare_samples(np.arange(20) + 50.0, np.arange(20) + 20.0)
    made = FileComparison(compared.baseline, compared.candidate, speed, compared.difference, (), {})
    assert made.to_json()["verdict"] == "faster"
    assert made.psnr_drops_db == {}
