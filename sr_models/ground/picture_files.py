"""Files of pictures in folders; found before any library is loaded."""

from __future__ import annotations

from pathlib import Path

from sr_models.ground.arguments import a_path, takes
from sr_models.ground.errors import PictureError
from sr_models.ground.files import subfolder_of

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm")


@takes(folder=a_path)
def list_images(folder: str | Path) -> list[Path]:
    """All picture files below `folder`, sorted by path.

    A file counts by its suffix; hidden files and folders are passed over.

    Raises:
        PictureError: `folder` is missing, is no folder, or holds no picture.
    """
    root = Path(folder)
    if not root.exists():
        raise PictureError(
            f"expected a folder of pictures, found no such path: {root}; check the spelling"
        )
    if not root.is_dir():
        raise PictureError(f"expected a folder of pictures, found a file: {root}; give its folder")
    try:
        found = sorted(
            path
            for path in root.rglob("*")
            if path.suffix.lower() in SUFFIXES
            and path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(root).parts)
        )
    except PermissionError as error:
        raise PictureError(
            f"expected a readable folder, found no permission for {error.filename}; "
            "change its permissions or take another folder"
        ) from error
    if not found:
        raise PictureError(
            f"expected pictures ({', '.join(SUFFIXES)}) in {root}, found none; "
            "give a folder that holds pictures"
        )
    return found


@takes(folder=a_path)
def list_images_by_folder(folder: str | Path) -> dict[str, list[Path]]:
    """The pictures of `list_images` by `subfolder_of`, sorted."""
    groups: dict[str, list[Path]] = {}
    for path in list_images(folder):
        groups.setdefault(subfolder_of(path, folder), []).append(path)
    return dict(sorted(groups.items()))
