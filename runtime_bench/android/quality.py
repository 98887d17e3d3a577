"""How good the pictures are that a file makes on a phone, and whether they are the desktop's."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from export.running.interpreters import Runner, Tensor, open_model
from export.running.pixel_range import find_pixels
from export.running.pixels import codes_of_pixels, pixels_of_codes
from export.tflite.windows import size_multiple
from runtime_bench.android.adb import PhoneError
from runtime_bench.android.session import SPARE_SECONDS, Session
from runtime_bench.android.tool import ToolRun, picture_arguments
from runtime_bench.measuring.quality import (
    Dataset,
    load_pair,
    mean_quality,
    quality_protocol,
    scale_of,
)
from sr_models.ground.metrics import Quality, measure_quality
from sr_models.ground.pictures import Pair, crop_to_multiple
from sr_models.tflite.files import ModelFile


@dataclass(frozen=True)
class PhoneQuality:
    """One file on one dataset on one phone, codes read as pixels.

    Attributes:
        model: The file's name.
        serial: The phone.
        delegate: What it ran with there.
        dataset: Name of the dataset.
        images: Number of pictures.
        scale: Scale factor.
        phone: Mean over the pictures that the phone made, against the ground truth.
        desktop: The same of the pictures that this machine's interpreter made (XNNPACK).
        largest: Largest difference between the two in any code, 0..255.
        differing_fraction: Share of codes that differ between the two.
    """

    model: str
    serial: str
    delegate: str
    dataset: str
    images: int
    scale: int
    phone: Quality
    desktop: Quality
    largest: int
    differing_fraction: float

    def to_json(self) -> dict:
        """One row, with the keys of a desktop's for the phone's own pictures."""
        return {
            "model": self.model,
            "serial": self.serial,
            "delegate": self.delegate,
            "dataset": self.dataset,
            "images": self.images,
            "scale": self.scale,
            **asdict(self.phone),
            **{f"desktop_{key}": value for key, value in asdict(self.desktop).items()},
            "max_abs_code_difference": self.largest,
            "differing_fraction": self.differing_fraction,
            "protocol": quality_protocol(self.scale),
        }


def codes_of_bytes(data: bytes, tensor: Tensor) -> np.ndarray:
    """The raw bytes of an output tensor as an array of its shape and dtype.

    Raises:
        PhoneError: There are more or fewer bytes than the tensor has.
    """
    dtype = np.dtype(tensor.dtype).newbyteorder("<")
    expected = int(np.prod(tensor.shape)) * dtype.itemsize
    if len(data) != expected:
        raise PhoneError(
            f"expected {expected} bytes of output {list(tensor.shape)}, found {len(data)} on the "
            "phone; give a file with one output, and a newer benchmark_model"
        )
    return np.frombuffer(data, dtype).reshape(tensor.shape)


def measure_quality_on_phone(
    session: Session, model: ModelFile, dataset: Dataset, *, run: ToolRun, graph: str
) -> PhoneQuality:
    """Upscale a dataset on the phone and here, each picture at its own size.

    Args:
        session: The phone, with the file on it.
        model: The file.
        dataset: Ground-truth pictures.
        run: Delegate, accelerator and threads.
        graph: Path of the file on the phone.

    Raises:
        PhoneError: The phone is gone, or the program failed.
        OptionError: The program cannot read or write pictures.
        ModelFileError: The file does not upscale.
        PictureError: A picture cannot be used.
    """
    runner = open_model(model)
    scale, known = scale_of(runner), find_pixels(runner.model).range
    multiple = size_multiple(runner.model)
    there, here, apart = [], [], []
    for path in dataset.paths:
        pair = _of_strides(load_pair(path, scale=scale), multiple, scale=scale)
        if runner.inputs[0].shape != (1, *pair.low.shape):
            runner.resize(*pair.low.shape[:2])
        codes = codes_of_pixels(pair.low, runner.inputs[0], ends=known.input_ends)[None]
        outputs = (run_on_phone(session, runner, codes, run=run, graph=graph), runner.run(codes))
        pictures = [
            pixels_of_codes(found, runner.outputs[0], ends=known.output_ends)[0]
            for found in outputs
        ]
        for qualities, picture in zip((there, here), pictures):
            qualities.append(measure_quality(picture, pair.high, scale=scale))
        apart.append(np.abs(pictures[0].astype(np.int16) - pictures[1].astype(np.int16)).ravel())
    differences = np.concatenate(apart)
    return PhoneQuality(
        model.name,
        session.adb.serial or "",
        run.delegate,
        dataset.name,
        len(there),
        scale,
        mean_quality(there),
        mean_quality(here),
        int(differences.max()),
        float((differences > 0).mean()),
    )


def run_on_phone(
    session: Session, runner: Runner, codes: np.ndarray, *, run: ToolRun, graph: str
) -> np.ndarray:
    """Run a file on the phone on given codes; the codes of its output.

    Args:
        session: The phone, with the file on it.
        runner: The file, opened here at the size of the codes.
        codes: Input, (1, h, w, 3).
        run: Delegate, accelerator and threads.
        graph: Path of the file on the phone.
    """
    tensor = runner.inputs[0]
    source = session.push_bytes(np.ascontiguousarray(codes).tobytes(), "input.raw")
    session.run(
        picture_arguments(
            session.tool,
            run,
            graph=graph,
            layer=tensor.name,
            shape=tensor.shape,
            source=source,
            target=session.path("output.raw"),
        ),
        seconds=SPARE_SECONDS,
    )
    return codes_of_bytes(session.pull_bytes("output.raw"), runner.outputs[0])


def _of_strides(pair: Pair, multiple: int, *, scale: int) -> Pair:
    """A pair cut to sides that the strides of a file divide."""
    low = crop_to_multiple(pair.low, multiple)
    height, width = (side * scale for side in low.shape[:2])
    return Pair(pair.path, low, pair.high[:height, :width])
