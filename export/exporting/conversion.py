"""From a float network to a file for each size: ranges first, then the TFLite converter.

`quantize` finds weights and ranges once; `convert` makes every file of them, by the path that the
settings ask for. Below them the converter itself, told exactly what to do.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from export.exporting.converter import SavedModelConverter
from export.exporting.file_choices import require_io
from export.exporting.first_size import needs_room, with_first_size
from export.exporting.judging import DropMeter
from export.exporting.settings import ExportSettings, beginning_with
from export.precision.kept_layers import require_layers
from export.precision.raised_network import raise_files
from export.quantizing.auto import choose_recipe
from export.quantizing.defaults import IN_ORDER_OF_COST
from export.quantizing.quantized_network import Evidence, QuantizedNetwork
from export.quantizing.recipe import AUTO, parse_recipe
from representative_data.dataset import RepresentativeDataset
from sr_models.ground.errors import ConversionError
from sr_models.ground.native_output import caught_native_output
from sr_models.ground.pictures import unit
from sr_models.ground.sizes import require_size
from sr_models.networks.density import is_of_any_size
from sr_models.networks.evaluation import pixel_upscaler
from sr_models.networks.graph import at_size
from sr_models.quantization.fake_quantization import write_ranges
from sr_models.quantization.ranges import TensorRanges
from sr_models.quantization.simulator import simulate


def gather_evidence(
    dataset: RepresentativeDataset,
    settings: ExportSettings,
    *,
    pictures: Sequence[np.ndarray] = (),
    weights: str | Path | None = None,
    run_dir: str | Path | None = None,
    room: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> Evidence:
    """What methods may look at.

    Args:
        dataset: The representative dataset.
        settings: Every choice.
        pictures: uint8 (h, w, 3) low-resolution pictures as they are in nature, for the methods
            that follow the dataset; the dataset's own by default.
        weights: File of the network's weights; needed by the method `"pams"`.
        run_dir: Folder of states of methods that fine-tune; see `Evidence`.
        room: Pictures whose tensors memory has room for together; `None` for any number.
        on_progress: Called with the steps done of a long method, and their number.
        on_note: Told what a method did, or left, that nobody would expect.
    """
    return Evidence(
        dataset,
        list(pictures) or dataset.pictures,
        pinned=not settings.quantizing.pictures_decide,
        seed=settings.shaping.seed,
        weights=Path(weights) if weights else None,
        run_dir=Path(run_dir) if run_dir else None,
        room=room,
        packed_for=settings.quantizing.packed_for,
        kept=settings.quantizing.kept,
        on_progress=on_progress,
        on_note=on_note,
    )


def quantize(
    model,
    evidence: Evidence,
    settings: ExportSettings,
    *,
    meter: DropMeter | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> QuantizedNetwork | None:
    """The network with the ranges that are written into its files; `None` where none are.

    Args:
        model: Float network with its output tail.
        evidence: What methods may look at.
        settings: Every choice.
        meter: Measures what a network loses; needed by the method `"auto"`.
        on_stage: Called with what begins next.

    Raises:
        OptionError: A layer to keep that the network does not have.
        SrError: A method cannot be applied.
    """
    quantizing = settings.quantizing
    require_layers(model, quantizing.kept)
    if quantizing.precision == "float32" or quantizing.calibrator == "converter":
        return None
    if quantizing.recipe != AUTO:
        return parse_recipe(quantizing.recipe).apply(model, evidence, on_stage=on_stage)
    return choose_recipe(
        model,
        evidence,
        judge=lambda made: meter(_simulated(made)).worst_db,
        max_drop_db=settings.limits.max_drop_db,
        names=tuple(beginning_with(evidence.dataset.method, name) for name in IN_ORDER_OF_COST),
        on_stage=on_stage,
    ).network


def _simulated(network: QuantizedNetwork) -> Callable[[np.ndarray], np.ndarray]:
    return pixel_upscaler(simulate(network.model, network.ranges))


def convert(
    model,
    quantized: QuantizedNetwork | None,
    evidence: Evidence,
    settings: ExportSettings,
    *,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> list[bytes]:
    """A file for each size, by the path that the settings ask for.

    Args:
        model: Float network with its output tail.
        quantized: What `quantize` made of it.
        evidence: What it was made from.
        settings: Every choice.
        on_stage: Called with what begins next.

    Raises:
        ConversionError: The converter failed, or did not take over the ranges.
        OptionError: A layer that cannot be kept.
    """
    chosen = settings.quantizing
    contents = []
    for size in settings.files.sizes:
        on_stage(f"converting for {size}")
        shape = {"height": size.height, "width": size.width}
        if chosen.precision == "float32":
            contents.append(convert_float(model, **shape))
            continue
        shape["io"] = settings.files.io
        if quantized is None:
            contents.append(convert_with_calibrator(model, evidence.dataset, **shape))
        else:
            sample = evidence.dataset.pictures[0]
            contents.append(
                convert_with_ranges(quantized.model, quantized.ranges, sample=sample, **shape)
            )
    if chosen.precision not in ("int16x8", "mixed"):
        return contents
    return raise_files(
        contents,
        model,
        quantized,
        evidence,
        kept=chosen.kept if chosen.precision == "mixed" else None,
        most_sensitive=chosen.most_sensitive,
        kept_precision=chosen.kept_precision,
        on_stage=on_stage,
    )


def _convert(model, configure: Callable) -> bytes:
    """Convert through a SavedModel with one signature, `serving_default`: input -> output.

    `TFLiteConverter.from_keras_model` swallows exceptions and then takes another path; from a
    SavedModel there is only one.
    """
    signature = tf.TensorSpec(model.input.shape, tf.float32, name="input")

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            # Of the network the function needs its variables; tracking the network itself would
            # trace every layer of it once more.
            self.weights = model.variables

        @tf.function(input_signature=[signature])
        def upscale(self, input):
            return {"output": model(input, training=False)}

    module = Module()
    with (
        caught_native_output() as printed,
        warnings.catch_warnings(),
        tempfile.TemporaryDirectory() as folder,
    ):
        warnings.simplefilter("ignore")
        try:
            tf.saved_model.save(module, folder, signatures=module.upscale)
            converter = SavedModelConverter(folder)
            configure(converter)
            content = converter.convert()
        except Exception as error:  # The converter raises whatever its native part throws.
            lines = f"{printed()}\n{error}".strip().splitlines()
            reasons = [line for line in lines if "error" in line.lower()] or lines[-1:]
            raise ConversionError(
                f"expected the TFLite converter to finish, found: {reasons[0][:300]}; "
                "report the network and TensorFlow's version"
            ) from error
    is_free = None in model.input.shape[1:3]
    return with_first_size(content, model) if is_free and needs_room(model) else content


def _full_integer(converter, samples: Callable, *, io: str) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.dtypes.as_dtype(io)
    converter.inference_output_type = tf.dtypes.as_dtype(io)


def _at_size(picture: np.ndarray, height: int | None, width: int | None) -> np.ndarray:
    """The picture repeated and cut to float32 (1, height, width, C) in 0..1."""
    height, width = height or picture.shape[0], width or picture.shape[1]
    rows = -(-height // picture.shape[0])
    columns = -(-width // picture.shape[1])
    tiled = np.tile(picture, (rows, columns, 1))[:height, :width]
    return unit(tiled[None])


def convert_with_ranges(
    model,
    ranges: TensorRanges,
    *,
    sample: np.ndarray,
    height: int | None,
    width: int | None,
    io: str = "uint8",
) -> bytes:
    """A full-integer file whose tensors have the given ranges.

    Args:
        model: Float network, input and output in 0..1.
        ranges: A range for every stored tensor.
        sample: uint8 (h, w, C). The converter wants to see a picture even where it has nothing
            left to learn; only tensors inside of a fused operator are measured on it.
        height: Input height in pixels; `None`, with `width`, for a file of any size.
        width: Input width in pixels.
        io: `"uint8"`, `"int8"` or `"float32"` input and output.

    Returns:
        The content of a `.tflite` file.

    Raises:
        ConversionError: The converter failed.
        OptionError: A size or interface that cannot be.
        CalibrationError: A tensor has no range.
    """
    require_size(height, width)
    require_io(io)
    shape = (1, height, width, model.input.shape[-1])
    quantized = write_ranges(model, ranges, batch_shape=shape)
    # Its calibrator runs at the sample's own size, and on one thread: a tile takes a moment where
    # a whole picture takes as long as the rest of the conversion.
    samples = [[unit(sample[None]) if is_of_any_size(model) else _at_size(sample, height, width)]]
    return _convert(quantized, lambda c: _full_integer(c, lambda: iter(samples), io=io))


def convert_with_calibrator(
    model,
    dataset: RepresentativeDataset,
    *,
    height: int | None,
    width: int | None,
    io: str = "uint8",
) -> bytes:
    """A full-integer file by the plain path: the converter's own calibrator finds the ranges.

    Args and errors as for `convert_with_ranges`; `dataset` is any representative dataset.
    """
    require_size(height, width)
    require_io(io)
    fixed = at_size(model, height=height, width=width)
    return _convert(fixed, lambda converter: _full_integer(converter, dataset, io=io))


def convert_clipped(
    model, picture: np.ndarray, *, height: int | None, width: int | None, io: str = "uint8"
) -> bytes:
    """The file that people ship, but for its ranges, which one picture of any size decides.

    Args:
        model: Float network with the tail `"clip"`.
        picture: uint8 (h, w, C), repeated and cut to the file's size.
        height: Input height in pixels.
        width: Input width in pixels.
        io: `"uint8"`, `"int8"` or `"float32"` input and output.

    Raises:
        ConversionError: The converter failed.
    """
    samples = [[_at_size(picture, height, width)]]
    return convert_with_calibrator(model, lambda: iter(samples), height=height, width=width, io=io)


def convert_float(model, *, height: int | None, width: int | None) -> bytes:
    """The float32 file, for comparison. Arguments and errors as for `convert_with_ranges`."""
    require_size(height, width)
    fixed = at_size(model, height=height, width=width)
    return _convert(fixed, lambda converter: None)
