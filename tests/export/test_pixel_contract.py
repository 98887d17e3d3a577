"""The promise behind every file: codes are pixels, for each network, tail and size."""

import numpy as np
import pytest

from export.exporting.job import run_export
from export.exporting.settings import ExportSettings
from export.inspecting.audit import audit_model
from export.tflite.flatbuffer import read_graph
from representative_data.cfqp import build_cfqp_dataset, build_natural_dataset
from representative_data.tiles import cut_tiles
from sr_models.ground.sizes import Size
from sr_models.networks.network import build_trunk, load_model
from sr_models.networks.presets import PRESETS, Preset
from sr_models.networks.tail_names import TAILS
from sr_models.networks.tails import attach_tail
from sr_models.quantization.contract import PIXEL_TOLERANCE
from tests.bundles import quantized_files
from tests.families import random_weights

pytestmark = pytest.mark.slow

SIZES = (Size(24, 32), Size(40, 24))
SHIPPED = sorted(name for name, preset in PRESETS.items() if preset.weights_path.is_file())
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
def exported(picture_folder):
    """Export XLSR x3 whole: `exported(precision=...)`."""

    def export(**options):
        settings = ExportSettings(
            height=16, width=24, pictures=12, tile_side=32, method="cfqp", **options
        )
        return run_export("xlsr_x3", settings, images=picture_folder)

    return export


@pytest.fixture(scope="module")
def exported_int8(exported):
    return exported()


def files(model, dataset, *, sizes=SIZES, method="cfqp", **options):
    """One calibration at several sizes."""
    settings = ExportSettings(sizes=sizes, method=method, **options)
    contents, _ = quantized_files(model, dataset, settings)
    return contents


def check_pixels(content, *, tolerance):
    """Scale 1/255, code 0 black: input and output, within a tolerance relative to white."""
    audit = audit_model(content)
    assert audit.full_integer and audit.pixel_contract.holds, audit.pixel_contract.reasons
    for tensor in (*audit.inputs, *audit.outputs):
        assert tensor.dtype == "uint8"
        assert abs(255.0 * tensor.scale - 1.0) <= tolerance
        assert abs(tensor.zero_point * tensor.scale) <= tolerance


def quantization(content):
    """Name -> type, scales and zero point of every tensor, whatever its size in pixels."""
    return {t.name: (t.dtype, t.scales, t.zero_point) for t in read_graph(content).tensors}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_network_has_pixels_as_codes(name, tiles):
    model = load_model(name)
    dataset = shaped(model, tiles, name=name, scale=PRESETS[name].scale)
    (pinned,) = files(model, dataset, sizes=SIZES[:1])
    check_pixels(pinned, tolerance=1e-6)
    (pure,) = files(model, dataset, sizes=SIZES[1:], pure=True)
    check_pixels(pure, tolerance=PIXEL_TOLERANCE)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("family", TINY)
def test_every_tail_at_every_size_has_pixels_as_codes_and_the_same_grids(family, tail, tiles):
    preset = Preset("tiny_x2", family, {"scale": 2, **TINY[family]}, "for tests")
    trunk = random_weights(build_trunk(preset))
    model = attach_tail(trunk, tail, scale=2)
    # Random weights return no picture's brightness, so that there is nothing to tame.
    dataset = build_natural_dataset(model, tiles, network="tiny_x2", scale=2)
    first, second = files(model, dataset, method="natural")
    for content in (first, second):
        check_pixels(content, tolerance=1e-6)
    assert quantization(first) == quantization(second)
    shapes = [read_graph(content).tensors[0].shape for content in (first, second)]
    assert shapes == [(1, 24, 32, 3), (1, 40, 24, 3)]


@pytest.mark.parametrize("tail", TAILS)
def test_pictures_alone_give_every_tail_its_pixels(tail, tiles, shaped_xlsr):
    """The pure mode, on the one network of whose training it asks something: a shipped one."""
    model = load_model("xlsr_x3", tail=tail)
    dataset = shaped(model, tiles, name="xlsr_x3", scale=3) if tail == "none" else shaped_xlsr
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
        ({"precision": "mixed", "kept": ("merge",)}, {"merge": "float32"}, False),
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
