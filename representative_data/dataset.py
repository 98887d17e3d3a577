"""The representative dataset: what the TFLite converter calibrates on, with its history."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sr_models.ground import arguments
from sr_models.ground.arguments import takes
from sr_models.ground.errors import CalibrationError
from sr_models.ground.files import writing_file
from sr_models.ground.pictures import unit
from sr_models.ground.pointers import require_no_pointer

FORMAT = 1


@dataclass(frozen=True)
class Record:
    """Where a picture of the set came from and what was done to it.

    Attributes:
        source: File name, or what an anchor shows.
        source_sha256: SHA-256 of the source file; empty for anchors.
        top: Row of the tile in the low-resolution picture, in pixels.
        left: Column of the tile, in pixels.
        status: `"natural"`, `"kept"`, `"tamed"`, `"dropped"` or `"anchor"`.
        gain: Factor on pixel values.
        offset: Added after the factor, in pixel values 0..255.
        blur_sigma: Standard deviation of the blur in pixels.
        output_before: (minimum, maximum) of the float output for the natural picture.
        output_after: The same for the picture in the set.
        passes: How often the network was asked about it while it was tamed.
    """

    source: str
    source_sha256: str
    top: int
    left: int
    status: str
    gain: float
    offset: float
    blur_sigma: float
    output_before: tuple[float, float]
    output_after: tuple[float, float]
    passes: int = 0

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class RepresentativeDataset:
    """Calibration pictures, ready for any TFLite converter.

    Calling it yields one sample after another, each a list of one float32 (1, h, w, 3) array in
    0..1, so `converter.representative_dataset = dataset` is all that foreign code needs.

    Attributes:
        pictures: uint8 (h, w, 3) arrays, RGB.
        records: One for each picture, then one for each that was dropped.
        method: `"cfqp"` or `"natural"`.
        network: Name of the network that shaped the set.
        weights_sha256: Hash of its weights (`sr_models.networks.network.weights_sha256`).
        scale: Scale factor of the network.
        settings: Every choice that was made, as plain data.
        forward_passes: Number of pictures that went through the network to shape the set.
    """

    pictures: list[np.ndarray]
    records: list[Record]
    method: str
    network: str
    weights_sha256: str
    scale: int
    settings: dict[str, Any] = field(default_factory=dict)
    forward_passes: int = 0

    def __call__(self) -> Iterator[list[np.ndarray]]:
        for picture in self.pictures:
            yield [unit(picture[None])]

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def input_range(self) -> tuple[float, float]:
        """Union of the input values, 0..1."""
        low = min(int(p.min()) for p in self.pictures)
        high = max(int(p.max()) for p in self.pictures)
        return low / 255.0, high / 255.0

    @property
    def output_range(self) -> tuple[float, float]:
        """Union of the float network's outputs over the pictures in the set."""
        used = [r for r in self.records if r.status != "dropped"]
        return min(r.output_after[0] for r in used), max(r.output_after[1] for r in used)

    def count(self, status: str) -> int:
        """How many records have that status."""
        return sum(record.status == status for record in self.records)

    def to_json(self) -> dict[str, Any]:
        """Everything but the pixels, as plain data."""
        return {
            "format": FORMAT,
            "method": self.method,
            "network": self.network,
            "weights_sha256": self.weights_sha256,
            "scale": self.scale,
            "settings": self.settings,
            "pictures": len(self.pictures),
            "forward_passes": self.forward_passes,
            "input_range": list(self.input_range),
            "output_range": list(self.output_range),
            "records": [record.to_json() for record in self.records],
        }

    def save(self, path: str | Path) -> None:
        """Write the whole set as one `.npz` file (written beside and renamed).

        Raises:
            OutputError: The place cannot be written to.
        """
        arrays = {f"picture_{i:05d}": picture for i, picture in enumerate(self.pictures)}
        with writing_file(path) as beside, beside.open("wb") as file:
            np.savez_compressed(file, history=np.array(json.dumps(self.to_json())), **arrays)

    def require_network(self, *, network: str, weights_sha256: str) -> None:
        """Raise `CalibrationError` where the set was shaped by other weights."""
        if weights_sha256 != self.weights_sha256:
            raise CalibrationError(
                f"expected a representative dataset shaped by {network} "
                f"({weights_sha256[:12]}), found one shaped by {self.network} "
                f"({self.weights_sha256[:12]}); make a new one with sr-calibrate"
            )


@takes(path=arguments.a_path)
def load_dataset(path: str | Path) -> RepresentativeDataset:
    """Read a set written by `RepresentativeDataset.save`.

    Raises:
        CalibrationError: The file is missing, damaged or something else.
    """
    require_no_pointer(path, "a representative dataset", error=CalibrationError)
    try:
        with np.load(path, allow_pickle=False) as archive:
            history = json.loads(str(archive["history"]))
            if history["format"] != FORMAT:
                raise CalibrationError(
                    f"expected a representative dataset of format {FORMAT}, found format "
                    f"{history['format']} in {path}; make it again with sr-calibrate"
                )
            pictures = [archive[f"picture_{i:05d}"] for i in range(history["pictures"])]
        records = [
            Record(
                **{
                    **r,
                    "output_before": tuple(r["output_before"]),
                    "output_after": tuple(r["output_after"]),
                }
            )
            for r in history["records"]
        ]
    except FileNotFoundError:
        raise CalibrationError(
            f"expected a representative dataset, found no file {path}; make it with sr-calibrate"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise CalibrationError(
            f"expected a representative dataset (.npz from sr-calibrate), found another or damaged "
            f"file: {path} ({type(error).__name__}); make it again"
        ) from error
    return RepresentativeDataset(
        pictures=pictures,
        records=records,
        method=history["method"],
        network=history["network"],
        weights_sha256=history["weights_sha256"],
        scale=history["scale"],
        settings=history["settings"],
        forward_passes=history.get("forward_passes", 0),
    )
