"""The promise behind every file: codes are pixels, for each family, tail and size.

Shipped networks are held to it by `tests/regression/test_presets.py`, whose files they have anyway.
"""

from functools import cache

import numpy as np
import pytest

from export.exporting.job import run_export
from export.exporting.settings import ExportSettings
from representative_data.cfqp import build_cfqp_dataset, build_natural_dataset
from representative_data.tiles import cut_tiles
from sr_models.ground.pixel_range import PIXEL_TOLERANCE
from sr_models.ground.sizes import Size
from sr_models.networks.network import build_trunk, load_model
from sr_models.networks.presets import Preset
from sr_models.networks.tail_names import TAILS
from sr_models.networks.tails import attach_tail
from sr_models.tflite.flatbuffer import read_graph
from tests.bundles import check_pixels, quantized_files
from tests.families import random_weights

pytestmark = pytest.mark.slow

SIZES = (Size(24, 32), Size(40, 24))
# A preset that takes half as long as XLSR.
QUICK = "quicksrnet_s_x2"
TINY = {
    "abpn": {"width": 6, "blocks": 1},
    "espcn": {"first_width": 8, "second_width": 6},
    "fsrcnn": {"width": 6, "shrunk_width": 4, "blocks": 1},
    "sesr": {"width": 6, "blocks": 1},
    "xlsr": {"width": 8, "blocks": 1, "skip_width": 4, "merge_width": 8},
}


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


@pytest.fixture(scope="module")
def tiny_trunk():
    """The trunk of a small network of a family, with random weights: `tiny_trunk(family)`."""

    @cache
    def make(family: str):
        config = {"scale": 2, **TINY[family]}
        return random_weights(build_trunk(Preset("tiny_x2", family, config, "for tests")))

    return make


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("family", TINY)
def test_every_tail_has_pixels_as_codes_and_every_size_the_same_grids(
    family, tail, tiny_trunk, tiles
):
    model = attach_tail(tiny_trunk(family), tail, scale=2)
    # Random weights return no picture's brightness, so that there is nothing to tame.
    dataset = build_natural_dataset(model, tiles, network="tiny_x2", scale=2)
    # Sizes are told apart behind all tails: by the longest one for each family, by all below.
    sizes = SIZES if tail == "conv_clip" else SIZES[:1]
    contents = files(model, dataset, method="natural", sizes=sizes)
    for content in contents:
        check_pixels(content, tolerance=1e-6)
    assert all(quantization(content) == quantization(contents[0]) for content in contents)
    shapes = [read_graph(content).tensors[0].shape for content in contents]
    assert shapes == [(1, size.height, size.width, 3) for size in sizes]


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
