"""What is wrong with how a verb is called, told before any library is loaded."""

from __future__ import annotations

from pathlib import Path

from sr_models.ground.errors import CalibrationError
from sr_models.ground.picture_files import inputs_of, list_images
from sr_models.importing.source_kinds import require_source


def require_network(
    name: str,
    *,
    images: Path | None = None,
    inputs: Path | None = None,
    dataset: Path | None = None,
    weights: Path | None = None,
    pixels: str | None = None,
    dequantize: bool = False,
) -> None:
    """Raise for a network, pictures or a set that cannot be opened, as far as can be told so soon.

    Args:
        name: A preset, a path or `module:function`.
        images: Folder of calibration pictures.
        inputs: Folder of what the network is given in their place.
        dataset: A saved set.
        weights: A preset's weights from another file.
        pixels: What black and white are.
        dequantize: Whether a TFLite file of integers is to be taken back to real numbers.

    Raises:
        SrError: As opening them would.
    """
    require_source(name, weights=weights, pixels=pixels, dequantize=dequantize)
    if images is not None:
        list_images(images)
    inputs_of(images, inputs, option="--images")
    if dataset is not None and not dataset.is_file():
        raise CalibrationError(
            f"expected a representative dataset, found no file {dataset}; make it with sr-calibrate"
        )
