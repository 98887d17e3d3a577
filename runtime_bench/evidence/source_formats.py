"""The formats in which networks reach an export, each written of one Keras model of the corpus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from runtime_bench.evidence.onnx_pen import DYNAMO, TORCHSCRIPT, onnx_model
from runtime_bench.evidence.source_networks import SourceNetwork

SIDE = 64
"""Height and width that `.tflite` files are written for."""
Writer = Callable[[SourceNetwork, object, Path], Path]
"""`write(network, model, folder)`: the file or folder that was written."""


def _keras(network: SourceNetwork, model, folder: Path) -> Path:
    path = folder / f"{network.name}.keras"
    model.save(path)
    return path


def _concrete(model, side: int | None):
    spec = tf.TensorSpec((1, side, side, 3), tf.float32, name="picture")
    return tf.function(lambda picture: model(picture, training=False)).get_concrete_function(spec)


def _saved_model(network: SourceNetwork, model, folder: Path) -> Path:
    path = folder / f"{network.name}_saved"
    module = tf.Module()
    module.model = model
    tf.saved_model.save(module, str(path), signatures=_concrete(model, None))
    return path


def _frozen(network: SourceNetwork, model, folder: Path) -> Path:
    path = folder / f"{network.name}.pb"
    frozen = convert_variables_to_constants_v2(_concrete(model, None))
    path.write_bytes(frozen.graph.as_graph_def().SerializeToString())
    return path


def _converted(network: SourceNetwork, model, folder: Path, *, smaller: bool) -> Path:
    path = folder / f"{network.name}{'_float16' if smaller else ''}.tflite"
    converter = tf.lite.TFLiteConverter.from_concrete_functions([_concrete(model, SIDE)], model)
    if smaller:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    path.write_bytes(converter.convert())
    return path


def _onnx(network: SourceNetwork, model, folder: Path, *, spelling: str) -> Path:
    path = folder / f"{network.name}_{spelling}.onnx"
    width = model.get_layer("layer_1").kernel.shape[-1]

    def weights_of(layer: str):
        return model.get_layer(layer).get_weights()

    onnx.save(onnx_model(network, weights_of, width=width, spelling=spelling), path)
    return path


FORMATS: dict[str, Writer] = {
    "keras": _keras,
    "saved-model": _saved_model,
    "frozen": _frozen,
    "tflite": lambda *given: _converted(*given, smaller=False),
    "tflite-float16": lambda *given: _converted(*given, smaller=True),
    f"onnx-{TORCHSCRIPT}": lambda *given: _onnx(*given, spelling=TORCHSCRIPT),
    f"onnx-{DYNAMO}": lambda *given: _onnx(*given, spelling=DYNAMO),
}
"""By what the study calls them."""
