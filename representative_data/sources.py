"""Where calibration pictures come from: a folder, or the pictures that scikit-image brings."""

from __future__ import annotations

from pathlib import Path

from sr_models.errors import PictureError

BUNDLED = (
    "brick.png",
    "camera.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)
BUNDLED_HELD_OUT = ("astronaut.png", "chelsea.png", "coffee.png")


def bundled_pictures(names: tuple[str, ...] = BUNDLED) -> list[Path]:
    """Paths of pictures in scikit-image's wheel; nothing is downloaded.

    `BUNDLED` is for calibration; `BUNDLED_HELD_OUT` shows other scenes and is kept for measuring.

    Raises:
        PictureError: The installed scikit-image lacks one of them.
    """
    import skimage.data

    folder = Path(skimage.data.__file__).parent
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise PictureError(
            f"expected {', '.join(missing)} in scikit-image's data folder {folder}, found none; "
            "give your own pictures with --images"
        )
    return [folder / name for name in names]
