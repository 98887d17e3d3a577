"""The TFLite converter, told exactly what to do."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from representative_data.dataset import RepresentativeDataset
from sr_models.ground.errors import ConversionError, require_known
from sr_models.ground.native_output import caught_native_output
from sr_models.ground.sizes import require_size
from sr_models.networks.graph import at_size
from sr_models.quantization.fake_quantization import write_ranges
from sr_models.quantization.ranges import TensorRanges

IO_DTYPES = {"uint8": tf.uint8, "int8": tf.int8, "float32": tf.float32}


def require_io(io: str) -> None:
    """Raise `OptionError` for an unknown type of input and output."""
    require_known("an interface", io, IO_DTYPES)


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
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            configure(converter)
            return converter.convert()
        except Exception as error:  # The converter raises whatever its native part throws.
            lines = f"{printed()}\n{error}".strip().splitlines()
            reasons = [line for line in lines if "error" in line.lower()] or lines[-1:]
            raise ConversionError(
                f"expected the TFLite converter to finish, found: {reasons[0][:300]}; "
                "report the network and TensorFlow's version"
            ) from error


def _full_integer(converter, samples: Callable, *, io: str) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = IO_DTYPES[io]
    converter.inference_output_type = IO_DTYPES[io]


def _at_size(picture: np.ndarray, height: int | None, width: int | None) -> np.ndarray:
    """The picture repeated and cut to float32 (1, height, width, C) in 0..1."""
    height, width = height or picture.shape[0], width or picture.shape[1]
    rows = -(-height // picture.shape[0])
    columns = -(-width // picture.shape[1])
    tiled = np.tile(picture, (rows, columns, 1))[:height, :width]
    return tiled[None].astype(np.float32) / np.float32(255.0)


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
    samples = [[_at_size(sample, height, width)]]
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


def convert_float(model, *, height: int | None, width: int | None) -> bytes:
    """The float32 file, for comparison. Arguments and errors as for `convert_with_ranges`."""
    require_size(height, width)
    fixed = at_size(model, height=height, width=width)
    return _convert(fixed, lambda converter: None)
