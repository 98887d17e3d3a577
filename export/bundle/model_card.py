"""One page about a bundle that a person can read, with a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from export.bundle.layout import COMPARISON, MODEL_CARD
from export.running.interpreters import open_model
from export.running.pixels import upscale
from representative_data.pictures import bundled_pictures
from sr_models.ground.pictures import crop_to_multiple, degrade, load_image, resize_bicubic
from sr_models.ground.pixel_range import UNIT
from sr_models.ground.plots import fill_template

TEMPLATES = Path(__file__).with_name("templates")
PICTURE_LICENCE = "chelsea.png of scikit-image: CC0, photographed by Stefan van der Walt"
# An eye with whiskers: edges that overshoot.
PICTURE, _TOP, _LEFT, _SIDE = "chelsea.png", 60, 110, 96
_ENLARGED, _GAP = 3, 6


def write(folder: Path, contents: Mapping[str, Any], content: bytes, *, twin: bytes | None) -> None:
    """Write the card and its picture into a bundle.

    Args:
        folder: The bundle.
        contents: The manifest but for `files`.
        content: The file that is shown.
        twin: The clipped baseline.
    """
    target = folder / COMPARISON
    target.parent.mkdir(exist_ok=True)
    strip = comparison(content, twin=twin, scale=contents["network"]["scale"])
    Image.fromarray(strip).save(target, "PNG")
    (folder / MODEL_CARD).write_text(render(contents, size_bytes=len(content)))


def render(contents: Mapping[str, Any], *, size_bytes: int) -> str:
    """The card's Markdown.

    Args:
        contents: The manifest but for `files`.
        size_bytes: Size of the first file.
    """
    # Timings name files by their hash; a manifest of before the seal has none, so all are shown.
    rows = (contents["latency"] or {}).get("results", [])
    names = {row["sha256"]: Path(str(row.get("model", row["sha256"][:12]))).name for row in rows}
    return fill_template(
        TEMPLATES / MODEL_CARD,
        **contents,
        size_bytes=size_bytes,
        comparison=COMPARISON,
        names=names,
        db=_db,
        drop=_drop,
        taken=_taken,
        percent=_percent,
    )


def comparison(content: bytes, *, twin: bytes | None, scale: int) -> np.ndarray:
    """Bicubic, clipped baseline, this file and the original beside each other.

    Returns:
        uint8 (height, width, 3); every pixel is shown as a square of 3x3.
    """
    high = crop_to_multiple(load_image(bundled_pictures((PICTURE,))[0]), scale)
    low = degrade(high, scale)
    shown = [resize_bicubic(low, height=high.shape[0], width=high.shape[1])]
    files = [file for file in (twin, content) if file is not None]
    shown += [upscale(open_model(file), low, pixels=UNIT).raw for file in files]
    crops = [
        picture[_TOP : _TOP + _SIDE, _LEFT : _LEFT + _SIDE]
        .repeat(_ENLARGED, axis=0)
        .repeat(_ENLARGED, axis=1)
        for picture in (*shown, high)
    ]
    gap = np.full((crops[0].shape[0], _GAP, 3), 255, np.uint8)
    parts = [part for crop in crops for part in (gap, crop)]
    return np.concatenate(parts[1:], axis=1)


def _db(value: float | None) -> str:
    return "equal" if value is None else f"{value:.2f} dB"


def _drop(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not measured"
    return f"{found['psnr_rgb_drop_db']:.3f} / {found['psnr_y_drop_db']:.3f} dB"


def _percent(interface: Mapping[str, Any]) -> str:
    low, high = (100.0 * of(interface["conversion_fractions"].values()) for of in (min, max))
    return f"{low:.0f} %" if f"{low:.0f}" == f"{high:.0f}" else f"{low:.0f} to {high:.0f} %"


def _taken(model: Mapping[str, Any]) -> str:
    found = model["delegates"].get("xnnpack")
    if found is None:
        return "not told"
    return (
        f"{found['delegated_nodes']} of {found['total_nodes']} in {found['partitions']} partition"
        f"{'' if found['partitions'] == 1 else 's'}"
    )
