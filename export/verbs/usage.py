"""What is wrong with how a verb is called, told before any library is loaded."""

from __future__ import annotations

from pathlib import Path

from sr_models.ground.errors import CalibrationError
from sr_models.ground.picture_files import inputs_of, list_images


def require_calibration(
    *,
    images: Path | None = None,
    inputs: Path | None = None,
    dataset: Path | None = None,
) -> None:
    """Raise for pictures or a set that cannot be opened, as far as can be told so soon.

    Args:
        images: Folder of calibration pictures.
        inputs: Folder of what the network is given in their place.
        dataset: A saved set.

    Raises:
        SrError: As opening them would.
    """
    if images is not None:
        list_images(images)
    inputs_of(images, inputs, option="--images")
    if dataset is not None and not dataset.is_file():
        raise CalibrationError(
            f"expected a representative dataset, found no file {dataset}; make it with sr-calibrate"
        )
