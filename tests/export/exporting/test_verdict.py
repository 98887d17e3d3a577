import dataclasses

import pytest

from export.exporting.conversion import convert_float, convert_with_ranges
from export.exporting.judging import Fidelity, HeldOutDrop, find_failures
from export.exporting.settings import ExportSettings
from export.inspecting.audit import audit_graph
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.ground.sizes import Size
from sr_models.quantization.ranges import TensorRange
from sr_models.tflite.flatbuffer import read_graph

FAITHFUL = Fidelity(1, 45.0, 45.0, 1, 0.01, 0.0, "xnnpack")
SETTINGS = ExportSettings(sizes=(Size(16, 16),))


@pytest.fixture(scope="module")
def ranges(sharpening, natural):
    return pin_pixels(observe_ranges(sharpening, natural), sharpening)


def judge(content, natural, ranges, *, settings=SETTINGS, fidelity=FAITHFUL, drop=None):
    graph = read_graph(content)
    return find_failures(
        graph,
        audit=audit_graph(graph),
        fidelity=fidelity,
        settings=settings,
        dataset=natural,
        ranges=ranges,
        drop=drop,
    )


@pytest.fixture(scope="module")
def good(sharpening, natural, ranges):
    return convert_with_ranges(sharpening, ranges, sample=natural.pictures[0], height=16, width=16)


def test_a_good_file_has_no_failures(good, natural, ranges):
    assert judge(good, natural, ranges) == []


def test_float_tensors_are_counted(sharpening, natural, ranges):
    (first, *_) = judge(convert_float(sharpening, height=16, width=16), natural, ranges)
    assert "tensors are float, expected 0" in first


def test_a_broken_contract_names_the_picture(sharpening, natural):
    observed = observe_ranges(sharpening, natural)
    content = convert_with_ranges(
        sharpening, observed, sample=natural.pictures[0], height=16, width=16
    )
    assert any("calibration picture" in failure for failure in judge(content, natural, observed))


def test_ranges_that_the_converter_lost_are_named(good, natural, ranges):
    other = ranges.replacing({"last_relu": TensorRange(0.0, 0.77)})
    (failure,) = judge(good, natural, other)
    assert failure.endswith("did not take over the ranges of last_relu")


@pytest.mark.parametrize("psnr_db", [29.9, float("nan")])
def test_an_unfaithful_file_is_not_handed_over(good, natural, ranges, psnr_db):
    poor = dataclasses.replace(FAITHFUL, psnr_db=psnr_db)
    (failure,) = judge(good, natural, ranges, fidelity=poor)
    assert "expected at least 30 dB" in failure


@pytest.mark.parametrize(("rgb", "y", "count"), [(0.04, 0.04, 0), (0.06, 0.01, 1), (0.01, 0.06, 1)])
def test_a_drop_beyond_the_limit_is_a_failure(good, natural, ranges, rgb, y, count):
    settings = ExportSettings(sizes=(Size(16, 16),), max_drop_db=0.05)
    found = judge(good, natural, ranges, settings=settings, drop=HeldOutDrop(3, rgb, y))
    assert len(found) == count
    assert all("PSNR drops by 0.060 dB" in failure for failure in found)
