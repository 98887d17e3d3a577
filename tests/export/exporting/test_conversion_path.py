import pytest

from export.exporting.conversion_path import convert
from export.exporting.settings import ExportSettings, Size
from export.inspecting.audit import audit_model
from sr_models.ground.errors import SrError

SIZES = (Size(16, 24), Size(12, 20))
NATURAL = {"sizes": SIZES, "method": "natural"}


def shapes(contents):
    return [audit_model(content).inputs[0].shape for content in contents]


def test_ranges_are_written_into_a_file_for_each_size(sharpening, natural):
    stages = []
    settings = ExportSettings(**NATURAL)
    contents, network = convert(sharpening, natural, settings, on_stage=stages.append)
    assert shapes(contents) == [(1, 16, 24, 3), (1, 12, 20, 3)]
    assert network.ranges.method == "natural"
    assert all(audit_model(content).pixel_contract.holds for content in contents)
    assert stages[-2:] == ["converting for 16x24", "converting for 12x20"]


def test_a_float_file_needs_no_ranges(sharpening, natural):
    settings = ExportSettings(**NATURAL, precision="float32")
    contents, network = convert(sharpening, natural, settings)
    assert network is None and len(contents) == 2
    assert audit_model(contents[0]).inputs[0].dtype == "float32"


def test_the_converter_finds_its_own_ranges(sharpening, natural):
    settings = ExportSettings(**NATURAL, calibrator="converter")
    contents, network = convert(sharpening, natural, settings)
    assert network is None and shapes(contents) == [(1, 16, 24, 3), (1, 12, 20, 3)]
    # Natural pictures overshoot white, and nobody has written another range over it.
    assert not audit_model(contents[0]).pixel_contract.holds


def test_auto_asks_the_meter_and_stops_at_what_is_allowed(sharpening, natural):
    asked = []

    class Meter:
        worst_db = 0.01

        def __call__(self, upscale):
            asked.append(upscale(natural.pictures[0]))
            return self

    settings = ExportSettings(sizes=SIZES[:1], method="auto", max_drop_db=0.02)
    _, network = convert(sharpening, natural, settings, meter=Meter())
    assert network.ranges.method == "cfqp"
    side = 2 * natural.pictures[0].shape[0]
    assert [(pixels.dtype, pixels.shape) for pixels in asked] == [("uint8", (side, side, 3))]


def test_a_layer_that_is_not_there_is_said_before_any_work(sharpening, natural):
    stages = []
    settings = ExportSettings(**NATURAL, precision="mixed", kept=("lost",))
    with pytest.raises(SrError, match="lost"):
        convert(sharpening, natural, settings, on_stage=stages.append)
    assert stages == []
