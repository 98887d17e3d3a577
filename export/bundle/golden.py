"""Golden pairs: an input and the output that every device must give for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from export.bundle.layout import golden_file
from export.running.interpreters import open_model
from export.running.pixels import codes_of_pixels
from representative_data.pictures import bundled_pictures
from sr_models.ground.errors import BundleError
from sr_models.ground.pictures import load_image

PATHS = ("xnnpack", "builtin", "reference")
"""Kernel paths that a pair is made and verified with."""

PICTURE = "coffee.png"
PICTURE_LICENCE = "coffee.png of scikit-image: CC0, photographed by Rachel Michetti"
_NOISE_ROWS = 8


@dataclass(frozen=True)
class Tolerance:
    """How far an output lies from another.

    Attributes:
        max_abs_code_difference: Greatest difference of a pixel, in codes.
        differing_fraction: Share of the pixels that differ.
    """

    max_abs_code_difference: int
    differing_fraction: float

    def allows(self, found: Tolerance) -> bool:
        """Whether another difference is no greater."""
        return (
            found.max_abs_code_difference <= self.max_abs_code_difference
            and found.differing_fraction <= self.differing_fraction
        )

    def to_json(self) -> dict[str, Any]:
        """The attributes."""
        return asdict(self)


@dataclass(frozen=True)
class GoldenPair:
    """One pair, and how far each kernel path is from it.

    Attributes:
        input: uint8 or int8 (H, W, 3), the codes that are fed.
        output: The same (H s, W s, 3), the codes that XNNPACK gives.
        tolerance: Kernel path -> measured difference.
    """

    input: np.ndarray
    output: np.ndarray
    tolerance: dict[str, Tolerance]


def difference(found: np.ndarray, expected: np.ndarray) -> Tolerance:
    """Compare two arrays of uint8 or of int8 codes, of one shape."""
    distance = np.abs(found.astype(np.int16) - expected.astype(np.int16))
    return Tolerance(int(distance.max()), float(np.count_nonzero(distance) / distance.size))


def golden_picture(height: int, width: int) -> np.ndarray:
    """A photograph cut or mirrored to size, with rows of noise that drive every tensor.

    Returns:
        uint8 (height, width, 3); the same on every machine.
    """
    photograph = load_image(bundled_pictures((PICTURE,))[0])
    missing = [max(0, side - had) for side, had in zip((height, width), photograph.shape)]
    picture = np.pad(photograph, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")[
        :height, :width
    ].copy()
    rows = min(_NOISE_ROWS, height)
    # Two codes in three are black or white, which no photograph would be.
    noise = np.random.default_rng(0).integers(-255, 511, (rows, width, 3))
    picture[:rows] = np.clip(noise, 0, 255)
    return picture


def make_pair(
    content: bytes, *, height: int, width: int, paths: Sequence[str] = PATHS
) -> GoldenPair:
    """Run a file on the golden picture by every kernel path.

    Args:
        content: A file whose codes are pixels, uint8 or int8.
        height: Its input height.
        width: Its input width.
        paths: Kernel paths to measure; XNNPACK's output is what is expected.
    """
    runners = {
        path: open_model(content, delegate=path, threads=1)
        for path in dict.fromkeys(["xnnpack", *paths])
    }
    fed = codes_of_pixels(golden_picture(height, width), runners["xnnpack"].inputs[0])
    outputs = {path: runner.run(fed[None])[0] for path, runner in runners.items()}
    expected = outputs["xnnpack"]
    return GoldenPair(
        fed, expected, {path: difference(found, expected) for path, found in outputs.items()}
    )


def turned(codes: np.ndarray) -> np.ndarray:
    """int8 codes as the uint8 pixels that they stand for; uint8 codes as they are."""
    return codes if codes.dtype == np.uint8 else codes.view(np.uint8) ^ np.uint8(0x80)


def proven_tolerance(golden: Mapping[str, Any], delegate: str) -> Tolerance:
    """How far a phone's output may lie from the expected one, by the manifest's entry of a pair.

    As far as the kernel paths here lay apart; not at all with XNNPACK where every ARM64 processor
    gave the expected codes.
    """
    proofs = [proof["max_abs_code_difference"] for proof in golden.get("arm64", ())]
    if delegate == "xnnpack" and proofs and not any(proofs):
        return Tolerance(0, 0.0)
    found = [Tolerance(**tolerance) for tolerance in golden["tolerance"].values()]
    return Tolerance(
        max(tolerance.max_abs_code_difference for tolerance in found),
        max(tolerance.differing_fraction for tolerance in found),
    )


def write_pair(pair: GoldenPair, folder: Path) -> dict[str, Any]:
    """Write a pair below a bundle's folder; its entry of the manifest.

    Raw files hold codes byte by byte, as the model reads and writes them; PNGs hold pixels.
    """
    height, width = pair.input.shape[:2]
    entry: dict[str, Any] = {}
    for part, codes in (("input", pair.input), ("output", pair.output)):
        raw, png = (golden_file(height, width, part=part, kind=kind) for kind in ("raw", "png"))
        (folder / raw).parent.mkdir(exist_ok=True)
        (folder / raw).write_bytes(codes.tobytes())
        Image.fromarray(turned(codes)).save(folder / png, "PNG")
        entry |= {part: raw, f"{part}_png": png}
    entry["tolerance"] = {path: found.to_json() for path, found in pair.tolerance.items()}
    return entry


def read_pair(folder: Path, model: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The golden pair of one entry of a manifest: input and output, (h, w, 3), the model's codes.

    Raises:
        BundleError: The raw codes are not the picture's, or of another size.
    """
    pair = []
    for part in ("input", "output"):
        raw, png = (folder / model["golden"][key] for key in (part, f"{part}_png"))
        shape = tuple(model[part]["shape"][1:])
        codes = np.frombuffer(raw.read_bytes(), model[part]["dtype"])
        if codes.size != (count := math.prod(shape)):
            raise BundleError(
                f"expected {count} codes in {model['golden'][part]}, found {codes.size}; "
                "get the bundle again"
            )
        codes = codes.reshape(shape)
        try:
            with Image.open(png) as picture:
                same = picture.size == (shape[1], shape[0]) and np.array_equal(
                    picture, turned(codes)
                )
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise BundleError(
                f"expected a picture, found another file: {png}; get the bundle again"
            ) from error
        if not same:
            raise BundleError(
                f"expected the same pixels in {model['golden'][part]} and "
                f"{model['golden'][f'{part}_png']}, found different ones; get the bundle again"
            )
        pair.append(codes)
    return pair[0], pair[1]
