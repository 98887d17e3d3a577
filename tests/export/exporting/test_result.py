import hashlib
import json

import pytest

from export.exporting.conversion import convert_with_ranges
from export.exporting.judging import HeldOutDrop
from export.exporting.kernel_agreement import KernelMeter
from export.exporting.result import read_back
from export.exporting.settings import ExportSettings
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.ground.sizes import Size
from tests.networks import sharpening_network

SIZE = Size(16, 24)


@pytest.fixture(scope="module")
def ranges(sharpening, natural):
    return pin_pixels(observe_ranges(sharpening, natural), sharpening)


@pytest.fixture(scope="module")
def content(sharpening, natural, ranges):
    return convert_with_ranges(sharpening, ranges, sample=natural.pictures[0], height=16, width=24)


@pytest.fixture
def made(content, natural, ranges):
    """Read the file back against the network of some strength."""

    def read(*, strength=0.15, meter=None, **options):
        settings = ExportSettings(sizes=(Size(16, 24),), method="natural", **options)
        return read_back(
            "model.tflite",
            SIZE,
            content,
            content,
            model=sharpening_network(),
            pictures=natural.pictures,
            meter=meter,
            kernel_meter=KernelMeter(None, natural.pictures),
            float_model=sharpening_network(tail="none", strength=strength),
            settings=settings,
            dataset=natural,
            ranges=ranges,
        )

    return read


def test_a_faithful_file_is_accepted(made, content):
    file = made()
    assert file.failures == () and file.drop is None and file.content == content
    assert file.fidelity.psnr_db > 40.0


def test_a_file_of_another_network_is_not(made):
    (failure,) = made(strength=-0.2).failures
    assert failure.startswith("fidelity to the float network is")


def test_the_meter_sees_what_the_file_makes_of_pixels(made, natural):
    seen = []

    def meter(upscale):
        seen.append(upscale(natural.pictures[0]))
        return HeldOutDrop(1, 0.5, 0.25)

    file = made(meter=meter, max_drop_db=0.1)
    assert file.drop.worst_db == 0.5
    (failure,) = file.failures
    assert failure.startswith("PSNR drops by 0.500 dB")
    side = 2 * natural.pictures[0].shape[0]
    assert [(pixels.dtype, pixels.shape) for pixels in seen] == [("uint8", (side, side, 3))]


def test_as_data_it_names_the_file_and_leaves_the_content_out(made, content):
    data = json.loads(json.dumps(made().to_json()))
    assert (data["file"], data["height"], data["width"]) == ("model.tflite", 16, 24)
    assert data["sha256"] == hashlib.sha256(content).hexdigest() and data["size_bytes"] == len(
        content
    )
    assert data["accepted"] and data["failures"] == [] and data["layers_above_int8"] == {}
    assert data["kernels"]["xnnpack_from_builtin"]["max_abs_code_difference"] <= 1
