"""Files of pictures in folders; found before any library is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sr_models.ground.arguments import a_path, takes
from sr_models.ground.errors import OptionError, PictureError
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


def inputs_of(
    truths: str | Path | None,
    inputs: str | Path | None,
    *,
    option: str,
    named: str = "--inputs",
) -> dict[Path, Path]:
    """`paired_inputs` of a folder of ground truth; nothing where no inputs are given.

    Args:
        truths: Folder of ground truth.
        inputs: Folder of inputs.
        option: What the ground truth is given by.
        named: What the inputs are given by.

    Raises:
        OptionError: Inputs without ground truth.
        PictureError: See `paired_inputs`.
    """
    if inputs is None:
        return {}
    if truths is None:
        raise OptionError(f"expected the ground truth of {named}, found none; give {option}")
    return paired_inputs(list_images(truths), inputs, root=truths)


def paired_inputs(
    truths: Iterable[Path], inputs: str | Path, *, root: str | Path
) -> dict[Path, Path]:
    """For each picture of ground truth the one of its name that a network is given.

    Args:
        truths: Pictures of ground truth.
        inputs: Folder of what networks are given: degraded pictures. Where it has the subfolders
            of `root`, the picture of the same place counts, else that of the same name; its suffix
            may be another.
        root: Folder of the ground truth.

    Raises:
        PictureError: A picture without a partner, or with several.
    """
    folder, by_stem = Path(inputs), {}
    for path in list_images(folder):
        by_stem.setdefault(path.stem, []).append(path)
    found = {}
    for truth in truths:
        place = truth.relative_to(root) if truth.is_relative_to(root) else Path(truth.name)
        beside = [folder / place, folder / place.name]
        there = [path for path in beside if path.is_file()][:1] or by_stem.get(truth.stem, [])
        if len(there) != 1:
            what = "none" if not there else f"{len(there)} of that name"
            raise PictureError(
                f"expected an input for {truth} in {folder}, found {what}; give one picture of "
                "the same name for each of the ground truth"
            )
        found[truth] = there[0]
    return found
