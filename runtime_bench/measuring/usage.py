"""What is wrong with how a verb is called, told before any library is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from export.running.runtimes import require_delegate, require_threads
from sr_models.ground.errors import OptionError, PictureError
from sr_models.ground.picture_files import inputs_of, list_images
from sr_models.tflite.files import read_model

MAX_SCALE = 8
MOST_CROPS = 20
"""Crops per dataset at most; each makes the results some tens of kilobytes larger."""
EXTERNAL = "external:"
"""With this begins a delegate from a shared library."""
KERNELS = ("xnnpack", "builtin")
"""Delegates whose operators can be timed one by one."""


def require_scale(scale: int) -> int:
    """`scale` itself; raises `OptionError` outside of 1..`MAX_SCALE`."""
    if not 1 <= scale <= MAX_SCALE:
        raise OptionError(f"expected a scale factor of 1 to {MAX_SCALE}, found {scale}")
    return scale


def require_crops(count: int) -> int:
    """`count` itself; raises `OptionError` outside of 0..`MOST_CROPS`."""
    if not 0 <= count <= MOST_CROPS:
        raise OptionError(f"expected 0 to {MOST_CROPS} crops, found {count}; change --crops")
    return count


def require_profiled(delegates: Iterable[str]) -> None:
    """Raise `OptionError` for a delegate whose operators cannot be profiled here."""
    for delegate in delegates:
        if delegate not in KERNELS:
            raise OptionError(
                f"expected --delegate {' or '.join(KERNELS)} with --profile, found {delegate!r}; "
                "leave --profile"
            )


def require_files(
    files: Sequence[str | Path], *, delegates: Iterable[str] = (), threads: Iterable[int] = ()
) -> None:
    """Raise for files that are none, and for delegates and threads that cannot be.

    Raises:
        OptionError: An unknown delegate, or a number of threads outside of what is allowed.
        ModelFileError: A file that is missing, or no `.tflite` file.
    """
    for delegate in delegates:
        if not delegate.startswith(EXTERNAL):
            require_delegate(delegate)
    for count in threads:
        require_threads(count)
    for file in files:
        read_model(file)


def require_data(folder: str | Path | None) -> None:
    """Raise `PictureError` for a folder of pictures that is missing or holds none."""
    if folder is not None:
        list_images(folder)


def require_inputs(data: str | Path | None, inputs: str | Path | None) -> dict[Path, Path]:
    """The input of each picture of ground truth; nothing where none are given.

    Raises:
        PictureError: A picture without an input of its name.
        OptionError: Inputs without ground truth.
    """
    return inputs_of(data, inputs, option="--data")


def require_pictures(
    data: str | Path,
    *,
    inputs: str | Path | None = None,
    images: str | Path | None = None,
    calibration_inputs: str | Path | None = None,
) -> dict[Path, Path]:
    """Pictures that measure a network and calibrate its files; the inputs of those that measure.

    Args:
        data: Folder of ground truth to measure on.
        inputs: Folder of what the network is given in its place.
        images: Folder of calibration pictures.
        calibration_inputs: Folder of what the network is given in their place.

    Raises:
        PictureError: A folder without pictures, or a picture without an input of its name.
        OptionError: Inputs without the pictures that they belong to.
    """
    require_data(data)
    require_data(images)
    inputs_of(images, calibration_inputs, option="--images", named="--calibration-inputs")
    return require_inputs(data, inputs)


def require_picture(path: str | Path | None) -> None:
    """Raise `PictureError` for a picture that is missing."""
    if path is not None and not Path(path).exists():
        raise PictureError(f"expected a picture, found no such file: {path}")
