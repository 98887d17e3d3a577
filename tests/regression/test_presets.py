"""Shipped presets: the clip-free file against its clipped baseline, by the teams' fixture.

The files are those of a short recipe, 48x64 pixels in, calibrated and measured with scikit-image's
pictures. What the default recipe reaches is for `sr-bench drop --twin` to say. One preset of each
kind of network is held against its baseline; of the others, the clip-free file is read.
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

from export.exporting.settings import ExportSettings, Shaping
from export.exporting.shaping import build_dataset
from export.inspecting.audit import audit_model
from export.quantizing.recipe import dataset_of
from export.running.interpreters import open_model
from representative_data.pictures import BUNDLED_HELD_OUT, bundled_pictures
from representative_data.tiles import Tile, load_tiles
from runtime_bench.comparing.regression import assert_no_regression
from runtime_bench.evidence.twin_files import both_settings, shipped_presets
from sr_models.ground.pictures import load_image
from sr_models.ground.pixel_range import PIXEL_TOLERANCE
from sr_models.ground.sizes import Size
from sr_models.networks.network import load_trunk
from sr_models.networks.presets import get_preset
from sr_models.networks.tails import attach_tail
from tests.bundles import check_pixels, quantized_files

# The default recipe without what takes half a minute for each network. Without the correction of
# biases ECBSR would lose 0.06 dB to its clipped baseline, whose PReLU stays one operator.
SETTINGS = ExportSettings(
    sizes=(Size(48, 64),), method="cfqp+relus+groups+bias", pictures=8, tile_side=48
)
PURE = replace(SETTINGS, method="cfqp", pure=True)
COMPARED = ("xlsr_x3", "fsrcnn_x3", "ecbsr_m4c16_x3", "edsr_f32b5_x2", "quicksrnet_s_x2")
"""Groups and a concatenation, a transposed convolution, PReLU, sums, and none of these."""
# What keeps operators in one piece, on fewer pictures.
READ = replace(SETTINGS, method="cfqp+relus+groups", pictures=4, tile_side=32)
SIDE = 192

# Found over all presets: PSNR higher than the clipped baseline's by 0.02 dB (SESR) to 2.1 dB
# (FSRCNN, whose baseline is poor), codes on a picture at most 21 apart (FSRCNN). The limits leave
# 0.02 dB and 11 codes to kernels of other processors.
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


@cache
def tiles_of(scale: int, shaping: Shaping) -> list[Tile]:
    """The calibration pictures, cut once for all networks of a scale factor."""
    return load_tiles(
        bundled_pictures(), scale=scale, count=shaping.pictures, side=shaping.tile_side
    )


class Writer:
    """Writes files of one preset; no proof, this test is the proof."""

    def __init__(self, preset, folder: Path, *, damage=lambda trunk: None, settings=SETTINGS):
        self.preset, self.folder = preset, folder
        self.tiles = tiles_of(preset.scale, settings.shaping)
        self.trunk = load_trunk(preset)
        damage(self.trunk)
        # What shapes pictures: never the tail of a file.
        self.shaping = self._with_tail("relu")
        self._sets: dict = {}

    def _with_tail(self, tail: str):
        return attach_tail(self.trunk, tail, scale=self.preset.scale)

    def _dataset(self, settings):
        kind = dataset_of(settings.quantizing.recipe)
        if kind not in self._sets:
            source = types.SimpleNamespace(name=self.preset.name, scale=self.preset.scale)
            self._sets[kind] = build_dataset(
                self.shaping, self.tiles, network=source, settings=settings
            )
        return self._sets[kind]

    def write(self, name: str, settings) -> Path:
        """`name` as the settings have it."""
        tail = settings.quantizing.tail
        model = self.shaping if tail == "relu" else self._with_tail(tail)
        natural = [tile.pixels for tile in self.tiles]
        (content,), _ = quantized_files(model, self._dataset(settings), settings, pictures=natural)
        path = self.folder / f"{name}.tflite"
        path.write_bytes(content)
        return path


@pytest.fixture(scope="module")
def files(once):
    """The folder of a preset's files, made when a test first asks for them: `files(preset)`."""

    def files(preset: str) -> Path:
        def make(folder: Path) -> None:
            writer = Writer(get_preset(preset), folder)
            for kind, chosen in {**both_settings(SETTINGS), "pure": PURE}.items():
                writer.write(kind, chosen)

        return once(f"files_{preset}", make)

    return files


@pytest.mark.parametrize("preset", COMPARED)
def test_clip_free_replaces_the_clipped_baseline_and_codes_are_pixels(preset, check, files):
    folder = files(preset)
    clip_free_file = folder / "clip_free.tflite"
    found = check(folder / "clipped.tflite", clip_free_file)
    clipped, clip_free = found.baseline.delegation, found.candidate.delegation
    assert set(found.gates) == set(GATES)
    # The clip is two operators outside of the delegate; a PReLU that stays splits the baseline too.
    assert clipped.left_behind[-3:-1] == CLIP
    prelus = clipped.left_behind.count("PRELU")
    assert clipped.partitions == 1 + prelus
    assert clip_free.left_behind == ("QUANTIZE", "QUANTIZE")
    assert clip_free.partitions < clipped.partitions or not prelus
    check_pixels(clip_free_file.read_bytes(), tolerance=1e-6)
    # By the pictures alone, with no range written over what they led to.
    check_pixels((folder / "pure.tflite").read_bytes(), tolerance=PIXEL_TOLERANCE)


@pytest.mark.parametrize(
    "preset",
    [preset for preset in shipped_presets() if preset.name not in COMPARED],
    ids=lambda preset: preset.name,
)
def test_codes_of_every_other_preset_are_pixels_and_nothing_is_left_behind(preset, tmp_path):
    writer = Writer(preset, tmp_path, settings=READ)
    content = writer.write("clip_free", READ).read_bytes()
    check_pixels(content, tolerance=1e-6)
    assert not audit_model(content).clip_ops
    runner = open_model(content)
    assert runner.delegation.left_behind == ("QUANTIZE", "QUANTIZE")
    # The codes are the float network's pixels, which a file of other weights would not have.
    held_out = load_image(bundled_pictures(BUNDLED_HELD_OUT)[0])[100:148, 100:164]
    found = runner.run(held_out[None])[0].astype(np.float64)
    expected = 255.0 * np.clip(
        writer.shaping(held_out[None] / np.float32(255.0)).numpy()[0], 0.0, 1.0
    )
    # Found: 0.6 (ABPN) to 6.3 codes (ETDS), by a short recipe.
    assert np.sqrt(np.mean(np.square(found - expected))) < 8.0


def test_every_preset_with_weights_is_held():
    names = {preset.name for preset in shipped_presets()}
    assert {"xlsr_x3", "abpn_x3", "edsr_f32b5_x4", "fsrcnn_x3"} <= names and len(names) >= 14


def exchange_colours(trunk) -> None:
    """Let the last convolution put out each channel one place too far."""
    last = [layer for layer in trunk.layers if isinstance(layer, tf_keras.layers.Conv2D)][-1]
    last.set_weights([np.roll(weights, 1, axis=-1) for weights in last.get_weights()])


@pytest.fixture(scope="module")
def faults(files, tmp_path_factory) -> dict[str, Path]:
    """Files of the networks that take least, each with a fault of its own."""
    folder = tmp_path_factory.mktemp("faults")
    small, with_prelu = get_preset("quicksrnet_s_x2"), get_preset("ecbsr_m4c16_x3")
    exchanged = Writer(small, folder, damage=exchange_colours)
    return {
        "clipped": files(small.name) / "clipped.tflite",
        "good": files(small.name) / "clip_free.tflite",
        "natural": Writer(small, folder).write("natural", replace(PURE, method="natural")),
        "colours": exchanged.write("colours", SETTINGS),
        "split": Writer(with_prelu, folder).write("split", replace(SETTINGS, method="cfqp")),
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
