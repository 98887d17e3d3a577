"""Where enlargements go, and in which format; known before any library is loaded."""

from __future__ import annotations

from pathlib import Path

from sr_models.ground.errors import OptionError, PictureError
from sr_models.ground.picture_files import list_images

# Pillow's format and what it is saved with, by suffix.
FORMATS = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
    ".tif": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_adobe_deflate"}),
}


def require_format(path: str | Path) -> str:
    """Pillow's format for a path's suffix; raises `OptionError` for one that is not written."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise OptionError(
            f"expected an output of {', '.join(FORMATS)}, found {Path(path).name!r}; "
            "give another suffix"
        )
    return FORMATS[suffix][0]


def planned(source: str | Path, out: str | Path, *, suffix: str) -> list[tuple[Path, Path]]:
    """Pictures and where each goes: into a folder of the same shape where a folder is given.

    Raises:
        PictureError: The folder holds no picture.
        OptionError: Two pictures would become one file, or the suffix is not written.
    """
    source, out = Path(source), Path(out)
    if not source.is_dir():
        require_format(out)
        if not source.exists():
            raise PictureError(f"expected a picture, found no such file: {source}")
        return [(source, out)]
    require_format(f"picture{suffix}")
    targets: dict[Path, Path] = {}
    for picture in list_images(source):
        target = (out / picture.relative_to(source)).with_suffix(suffix)
        if target in targets:
            raise OptionError(
                f"expected pictures of different names, found {targets[target]} and {picture}, "
                f"which both become {target}; rename one"
            )
        targets[target] = picture
    return [(picture, target) for target, picture in targets.items()]
