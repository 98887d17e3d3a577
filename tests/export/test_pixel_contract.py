"""The promise behind every file: codes are pixels, for each family, tail and size.

Shipped networks are held to it by `tests/regression/test_presets.py`, whose files they have anyway.
"""

import numpy as np
import pytest

from export.exporting.conversion import convert_with_ranges
from export.exporting.job import run_export
from export.exporting.settings import ExportSettings
from representative_data.cfqp import build_cfqp_dataset
from representative_data.tiles import cut_tiles
from sr_models.ground.pixel_range import PIXEL_TOLERANCE
from sr_models.ground.sizes import Size
from sr_models.networks.network import load_model
from sr_models.networks.tail_names import TAILS
from sr_models.tflite.flatbuffer import read_graph
from tests.bundles import check_pixels, quantized_files
from tests.families import CLIPPED, TAILED

pytestmark = pytest.mark.slow

SIZES = (Size(24, 32), Size(40, 24))
# A preset that takes half as long as XLSR.
QUICK = "quicksrnet_s_x2"


@pytest.fixture(scope="module")
def tiles(photographs):
    """Twelve pieces of photographs, 32x32."""
    named = [(name, name, photo[50:250:2, 100:300:2]) for name, photo in photographs.items()]
    return cut_tiles(named, count=12, side=32, seed=0)


def shaped(model, tiles, *, name, scale):
    return build_cfqp_dataset(model, tiles, network=name, scale=scale)


@pytest.fixture(scope="module")
def shaped_xlsr(tiles):
    """Pictures that give XLSR x3, with a ReLU behind it, its pixels."""
    return shaped(load_model("xlsr_x3"), tiles, name="xlsr_x3", scale=3)


@pytest.fixture(scope="module")
def shaped_quick(tiles):
    """Pictures that give the quick preset, with a ReLU behind it, its pixels."""
    return shaped(load_model(QUICK), tiles, name=QUICK, scale=2)


@pytest.fixture(scope="module")
def exported(picture_folder):
    """Export the quick preset whole: `exported(precision=...)`."""

    def export(**options):
        settings = ExportSettings(
            sizes=(Size(16, 24),), pictures=12, tile_side=32, method="cfqp", **options
        )
        return run_export(QUICK, settings, images=picture_folder)

    return export


@pytest.fixture(scope="module")
def exported_int8(exported):
    return exported()


def files(model, dataset, *, sizes=SIZES, method="cfqp", **options):
    """One calibration at several sizes."""
    settings = ExportSettings(sizes=sizes, method=method, **options)
    contents, _ = quantized_files(model, dataset, settings)
    return contents


def quantization(content):
    """Name -> type, scales and zero point of every tensor, whatever its size in pixels."""
    return {t.name: (t.dtype, t.scales, t.zero_point) for t in read_graph(content).tensors}


@pytest.mark.parametrize(("family", "tail"), TAILED)
def test_every_family_and_tail_has_pixels_as_codes(family, tail, small_file):
    """Its weights are random: what they were trained for is not what makes codes pixels."""
    check_pixels(small_file(family, tail).content, tolerance=1e-6)


@pytest.mark.parametrize("family", CLIPPED)
def test_every_size_has_the_same_grids(family, small_file):
    """Behind the longest tail."""
    file, (height, width) = small_file(family, "conv_clip"), (40, 24)
    content = convert_with_ranges(
        file.model, file.ranges, sample=file.pictures[0], height=height, width=width
    )
    check_pixels(content, tolerance=1e-6)
    assert quantization(content) == quantization(file.content)
    shapes = [read_graph(made).tensors[0].shape for made in (file.content, content)]
    assert shapes == [(1, 24, 36, 3), (1, height, width, 3)]


@pytest.mark.parametrize("tail", TAILS)
def test_pictures_alone_give_every_tail_its_pixels(tail, tiles, shaped_quick):
    """The pure mode, on the one network of whose training it asks something: a shipped one."""
    model = load_model(QUICK, tail=tail)
    dataset = shaped(model, tiles, name=QUICK, scale=2) if tail == "none" else shaped_quick
    first, second = files(model, dataset, pure=True)
    for content in (first, second):
        check_pixels(content, tolerance=PIXEL_TOLERANCE)
    assert quantization(first) == quantization(second)


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "int16x8"},
        {"precision": "mixed", "kept": ("merge", "concat"), "kept_precision": "int16x8"},
    ],
    ids=["int16x8", "mixed"],
)
def test_higher_precision_has_pixels_as_codes_and_the_same_grids(options, shaped_xlsr):
    model = load_model("xlsr_x3")
    first, second = files(model, shaped_xlsr, **options)
    for content in (first, second):
        check_pixels(content, tolerance=1e-6)
    assert quantization(first) == quantization(second)
    assert "int16" in {kind for kind, *_ in quantization(first).values()}


@pytest.mark.parametrize(
    ("options", "raised", "full_integer"),
    [
        ({"precision": "int16x8"}, None, True),
        ({"precision": "mixed", "kept": ("block1",)}, {"block1": "float32"}, False),
    ],
    ids=["int16x8", "mixed"],
)
def test_a_whole_export_above_int8_is_accepted(
    options, raised, full_integer, exported, exported_int8
):
    result, before = exported(**options), exported_int8
    assert result.failures == []
    assert result.audit.full_integer == full_integer
    assert result.fidelity.psnr_db > before.fidelity.psnr_db
    layers = result.manifest["layers_above_int8"]
    assert layers == raised if raised else set(layers.values()) == {"int16x8"}
    assert before.manifest["layers_above_int8"] == {}
    assert np.isfinite(result.fidelity.psnr_db)
