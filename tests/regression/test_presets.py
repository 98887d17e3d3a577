"""Every shipped preset: the clip-free file against its clipped twin, by the fixture for all teams.

The files are those of a short recipe, 48x64 pixels in, calibrated and measured with scikit-image's
pictures. What the default recipe reaches is for `sr-bench drop --twin` to say.
"""

from __future__ import annotations

import types
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tf_keras
from PIL import Image

from export.exporting.settings import ExportSettings
from export.exporting.shaping import build_dataset
from representative_data.pictures import BUNDLED_HELD_OUT, bundled_pictures
from representative_data.tiles import load_tiles
from runtime_bench.comparing.regression import assert_no_regression
from runtime_bench.evidence.twin_files import shipped_presets, twin_settings
from sr_models.ground.pictures import load_image
from sr_models.networks.network import load_trunk
from sr_models.networks.presets import get_preset
from sr_models.networks.tails import attach_tail
from tests.bundles import quantized_files

# The default recipe without what takes half a minute for each network. Without the correction of
# biases ECBSR would lose 0.06 dB to its twin, whose PReLU stays one operator.
SETTINGS = ExportSettings(
    height=48, width=64, method="cfqp+relus+groups+bias", pictures=8, tile_side=48
)
SIDE = 192

# Found over all presets: PSNR higher than the twin's by 0.02 dB (SESR) to 2.1 dB (FSRCNN, whose
# twin is poor), codes on a picture at most 21 apart (FSRCNN). The limits leave 0.02 dB and 11 codes
# to kernels of other processors.
GATES = {
    "max_psnr_drop_db": 0.0,
    "max_code_difference": 32,
    "no_clip_ops": True,
    "pixel_contract": True,
    "max_partitions": 1,
}
CLIP = ("MINIMUM", "RELU")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ground_truth(tmp_path_factory) -> Path:
    """A piece of each picture that calibration does not see."""
    folder = tmp_path_factory.mktemp("ground_truth")
    for path in bundled_pictures(BUNDLED_HELD_OUT):
        picture = load_image(path)
        top, left = ((size - SIDE) // 2 for size in picture.shape[:2])
        piece = picture[top : top + SIDE, left : left + SIDE]
        Image.fromarray(piece).save(folder / f"{path.stem}.png")
    return folder


@pytest.fixture(scope="module")
def check(ground_truth):
    """The fixture for all teams with this project's gates: `check(baseline, candidate)`."""

    def check(baseline, candidate, **changed):
        return assert_no_regression(
            baseline,
            candidate,
            data=ground_truth,
            picture=ground_truth / "chelsea.png",
            **{**GATES, **changed},
        )

    return check


def write_file(preset, settings, path, *, damage=lambda trunk: None) -> Path:
    """A preset's file as the settings have it; no proof, this test is the proof."""
    trunk, scale = load_trunk(preset), preset.scale
    damage(trunk)
    tiles = load_tiles(
        bundled_pictures(),
        scale=scale,
        count=settings.shaping.pictures,
        side=settings.shaping.tile_side,
    )
    source = types.SimpleNamespace(name=preset.name, scale=scale)
    shaping = attach_tail(trunk, "relu", scale=scale)
    dataset = build_dataset(shaping, tiles, network=source, settings=settings)
    model = attach_tail(trunk, settings.quantizing.tail, scale=scale)
    natural = [tile.pixels for tile in tiles]
    (content,), _ = quantized_files(model, dataset, settings, pictures=natural)
    path.write_bytes(content)
    return path


def write_twins(preset, folder, settings=SETTINGS) -> list[Path]:
    """Paths of the clipped file and the clip-free one."""
    return [
        write_file(preset, chosen, folder / f"{preset.name}_{kind}.tflite")
        for kind, chosen in twin_settings(settings).items()
    ]


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """The twins of a preset, written when a test first asks for them: `twins(preset)`."""
    folder = tmp_path_factory.mktemp("twins")
    return cache(lambda preset: write_twins(get_preset(preset), folder))


@pytest.mark.parametrize("preset", shipped_presets(), ids=lambda preset: preset.name)
def test_clip_free_replaces_the_clipped_twin(preset, check, twins):
    found = check(*twins(preset.name))
    clipped, clip_free = found.baseline.delegation, found.candidate.delegation
    assert set(found.gates) == set(GATES)
    # The clip is two operators outside of the delegate; a PReLU that stays splits the twin too.
    assert clipped.left_behind[-3:-1] == CLIP
    prelus = clipped.left_behind.count("PRELU")
    assert clipped.partitions == 1 + prelus
    assert clip_free.left_behind == ("QUANTIZE", "QUANTIZE")
    assert clip_free.partitions < clipped.partitions or not prelus


def test_every_preset_with_weights_is_held():
    names = {preset.name for preset in shipped_presets()}
    assert {"xlsr_x3", "abpn_x3", "edsr_f32b5_x4", "fsrcnn_x3"} <= names and len(names) >= 14


def exchange_colours(trunk) -> None:
    """Let the last convolution put out each channel one place too far."""
    last = [layer for layer in trunk.layers if isinstance(layer, tf_keras.layers.Conv2D)][-1]
    last.set_weights([np.roll(weights, 1, axis=-1) for weights in last.get_weights()])


@pytest.fixture(scope="module")
def faults(twins, tmp_path_factory) -> dict[str, Path]:
    """Files of the networks that take least, each with a fault of its own."""
    folder = tmp_path_factory.mktemp("faults")
    small, with_prelu = get_preset("quicksrnet_s_x2"), get_preset("ecbsr_m4c16_x3")
    clipped, good = twins(small.name)
    natural = replace(SETTINGS, method="natural", pure=True)
    split = replace(SETTINGS, method="cfqp")
    return {
        "clipped": clipped,
        "good": good,
        "natural": write_file(small, natural, folder / "natural.tflite"),
        "colours": write_file(small, SETTINGS, folder / "colours.tflite", damage=exchange_colours),
        "split": write_file(with_prelu, split, folder / "split.tflite"),
    }


@pytest.mark.parametrize(
    ("baseline", "candidate", "said"),
    [
        ("good", "clipped", "no_clip_ops True, found clip operator"),
        ("good", "clipped", "max_psnr_drop_db 0.0, found 0"),
        ("clipped", "natural", "pixel_contract True, found"),
        ("clipped", "colours", "max_code_difference 32, found"),
        ("clipped", "natural", "max_psnr_drop_db 0.0, found"),
        ("split", "split", "max_partitions 1, found 6 with xnnpack"),
    ],
)
def test_each_gate_finds_its_fault(baseline, candidate, said, faults, check):
    with pytest.raises(AssertionError) as failure:
        check(faults[baseline], faults[candidate])
    assert said in str(failure.value)
