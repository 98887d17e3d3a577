"""The Kotlin library: compiled against stand-ins, and run where no phone is needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from export.bundle.golden import golden_picture
from runtime_bench.upscaling.tiling import margin_of, spans
from sr_models.ground.errors import OptionError
from sr_models.networks.receptive_field import ReceptiveField

LIBRARY = Path(__file__).parents[3] / "export" / "bundle" / "android"
STUBS = Path(__file__).parent / "kotlin_stubs"
SOURCES = sorted(LIBRARY.rglob("*.kt"))


# The compiler lives too short for its machine code to be worth optimizing: half of the work.
COMPILING = {**os.environ, "JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


@pytest.fixture(scope="module")
def compiled(once) -> Path:
    """Classes of the library, its instrumented test, the stand-ins and the harness."""
    if shutil.which("kotlinc") is None or shutil.which("kotlin") is None:
        pytest.skip("no Kotlin compiler on this machine (Debian: apt-get install kotlin)")
    return once("kotlin", compile_library)


def compile_library(out: Path) -> None:
    done = subprocess.run(
        ["kotlinc", *SOURCES, *STUBS.glob("*.kt"), "-d", out, "-jvm-target", "1.8"],
        env=COMPILING,
        capture_output=True,
        text=True,
        timeout=600,
    )
    complaints = [line for line in done.stderr.splitlines() if re.search("error:|warning:", line)]
    ours = [line for line in complaints if "kotlin_stubs" not in line and "OpenJDK" not in line]
    assert done.returncode == 0, done.stderr[-4000:]
    assert ours == []


def harness(compiled: Path, tmp_path: Path, *lines: str) -> list[str]:
    """Let the harness do one job for each line; what it prints for each."""
    jobs = tmp_path / "jobs"
    jobs.write_text("\n".join(lines))
    done = subprocess.run(
        ["kotlin", "-cp", compiled, "harness.HarnessKt", jobs],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.splitlines()


@pytest.mark.slow
def test_tiles_lie_where_pythons_lie(compiled, tmp_path):
    rng = np.random.default_rng(0)
    cases = [
        (int(rng.integers(1, 200)), int(rng.integers(1, 60)), int(rng.integers(0, 14)), alignment)
        for alignment in (1, 1, 2, 4)
        for _ in range(250)
    ]
    told = harness(compiled, tmp_path, *(f"spans {' '.join(map(str, case))}" for case in cases))
    expected = []
    for length, tile, radius, alignment in cases:
        margin = margin_of(ReceptiveField(radius, alignment, 2))
        try:
            found = spans(length, tile=tile, margin=margin)
            expected.append(" ".join(f"{s.start},{s.first},{s.stop}" for s in found))
        except OptionError:
            expected.append("refused")
    assert told == expected
    assert 50 < expected.count("refused") < 900


def window_sum(picture: np.ndarray, *, radius: int, scale: int) -> np.ndarray:
    """The harness's network on a whole picture, by shifting it: uint8 (H s, W s, 3)."""
    height, width, _ = picture.shape
    padded = np.pad(picture.astype(np.int64), ((radius, radius), (radius, radius), (0, 0)))
    side = 2 * radius + 1
    sums = sum(
        (1 + i * side + j) * padded[i : i + height, j : j + width]
        for i in range(side)
        for j in range(side)
    )
    large = sums.repeat(scale, axis=0).repeat(scale, axis=1)
    place = np.arange(scale)[:, None] * scale + np.arange(scale)
    return (large + np.tile(place, (height, width))[..., None]).astype(np.uint8)


@pytest.mark.slow
def test_bitmaps_of_any_size_are_those_of_one_large_tile(compiled, made_bundle, tmp_path):
    """By a network in whole numbers, with the size, scale and radius of a bundle's manifest."""
    rng = np.random.default_rng(1)
    manifest = (made_bundle / "manifest.json").read_text()
    for codes in ("int8", "uint8"):
        (tmp_path / codes).write_text(manifest.replace('"dtype": "int8"', f'"dtype": "{codes}"'))
    assert (tmp_path / "uint8").read_text() != manifest == (tmp_path / "int8").read_text()
    pictures = {
        (height, width): rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        for height, width in ((16, 24), (17, 24), (50, 77), (16, 100), (33, 24))
    }
    lines = []
    for (height, width), picture in pictures.items():
        source = tmp_path / f"{height}x{width}"
        source.write_bytes(picture.tobytes())
        lines += [
            f"upscale {tmp_path / codes} {source} {source}.{codes} {width} {height}"
            for codes in ("int8", "uint8")
        ]
    told = harness(compiled, tmp_path, *lines)
    for (height, width), picture, line in zip(pictures, pictures.values(), told[::2]):
        assert line == f"{2 * width}x{2 * height}"
        expected = window_sum(picture, radius=1, scale=2)
        for codes in ("int8", "uint8"):
            found = np.frombuffer((tmp_path / f"{height}x{width}.{codes}").read_bytes(), np.uint8)
            assert np.array_equal(found.reshape(expected.shape), expected)


@pytest.mark.slow
def test_tiles_of_a_strided_network_lie_where_its_strides_begin(compiled, made_bundle, tmp_path):
    """So the last of them reach over the border, where the picture is mirrored."""
    manifest = json.loads((made_bundle / "manifest.json").read_text())
    manifest["receptive_field"]["alignment"] = 4
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    picture = np.random.default_rng(2).integers(0, 256, (50, 77, 3), dtype=np.uint8)
    (tmp_path / "picture").write_bytes(picture.tobytes())
    names = " ".join(str(tmp_path / name) for name in ("manifest.json", "picture", "large"))
    assert harness(compiled, tmp_path, f"upscale {names} 77 50") == ["154x100"]
    mirrored = np.pad(picture, ((0, 2), (0, 3), (0, 0)), mode="symmetric")
    # The harness's network looks as far as its margin, which is a multiple of the alignment.
    expected = window_sum(mirrored, radius=4, scale=2)[:100, :154]
    found = np.frombuffer((tmp_path / "large").read_bytes(), np.uint8)
    assert np.array_equal(found.reshape(expected.shape), expected)


@pytest.mark.slow
def test_small_pictures_are_mirrored_as_on_the_desktop(compiled, tmp_path):
    cases = ((3, 2, 8, 7), (5, 5, 6, 5), (1, 1, 3, 2))
    told = harness(compiled, tmp_path, *(f"mirror {' '.join(map(str, case))}" for case in cases))
    for (width, height, tile_width, tile_height), line in zip(cases, told):
        pixels = 1 + np.arange(height * width).reshape(height, width)
        expected = np.pad(
            pixels, ((0, tile_height - height), (0, tile_width - width)), mode="symmetric"
        )
        assert line == ",".join(map(str, expected.ravel()))


@pytest.mark.slow
def test_a_manifest_is_read_and_a_missing_gpu_is_reported(compiled, made_bundle, tmp_path):
    """The interpreter is a stand-in whose output stays at code 0, as the self-test notices."""
    large, small = harness(
        compiled, tmp_path, f"bundle {made_bundle} 4000 3000", f"bundle {made_bundle} 21 13"
    )
    manifest = json.loads((made_bundle / "manifest.json").read_text())
    tolerances = manifest["models"][0]["golden"]["tolerance"].values()
    loosest = max(found["max_abs_code_difference"] for found in tolerances)
    golden = np.frombuffer((made_bundle / "golden/16x24_output.raw").read_bytes(), np.int8)
    apart = np.abs(golden.astype(int))
    assert large == (
        f"2 1 model_16x24.tflite [builtin, reference, xnnpack] {loosest} {apart.max()} "
        f"{np.count_nonzero(apart) / apart.size} GPU CPU 2 no GPU on this machine"
    )
    assert small.startswith("2 1 model_12x20.tflite ")
    assert golden_picture(16, 24).shape == (16, 24, 3)


def test_versions_and_files_are_those_of_the_readme():
    gradle = (LIBRARY / "build.gradle.kts").read_text()
    coordinates = re.findall(r'implementation\("com\.google\.ai\.edge\.litert:([^"]+)"\)', gradle)
    assert coordinates == ["litert:2.3.0", "litert-gpu:2.3.0"]
    readme = (LIBRARY / "README.md").read_text()
    for source in SOURCES:
        if "androidTest" not in source.parts:
            assert f"`{source.name}`" in readme


def test_the_library_decides_nothing_that_the_manifest_knows():
    """No scale factor, zero point or size stands in the code; no float touches a pixel."""
    main = sorted((LIBRARY / "src" / "main").rglob("*.kt"))
    code = "\n".join(path.read_text() for path in main)
    assert len(main) == 6
    for word in ("360", "640", "1/255", "toFloat", "FloatArray", "coerceIn"):
        assert word not in code


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sources_are_small_and_readable(path):
    lines = path.read_text().splitlines()
    assert len(lines) < 200
    assert all(len(line) <= 105 for line in lines)
