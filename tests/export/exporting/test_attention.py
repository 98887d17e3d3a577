"""Networks with attention as whole exports: RFDN's product, IMDN's contrast over the picture."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from export.exporting.job import run_export
from export.exporting.settings import ExportSettings
from export.running.runtimes import Delegation
from export.tflite.windows import read_receptive_field
from sr_models.ground.errors import ModelFileError
from sr_models.ground.sizes import Size

layers = tf_keras.layers
pytestmark = pytest.mark.slow


def attention_network():
    """A picture repeated, with detail of a block that splits, joins and weighs its channels."""
    rng = np.random.default_rng(5)

    def conv(filters, size, name, **keywords):
        return layers.Conv2D(filters, size, padding="same", name=name, **keywords)

    picture = tf_keras.Input((None, None, 3), name="picture")
    head = conv(16, 3, "head")(picture)
    y = layers.LeakyReLU(0.05, name="bent")(conv(16, 3, "body")(head))
    rest = conv(8, 3, "rest", activation="relu")(y[..., 8:])
    y = conv(16, 1, "joined")(layers.Concatenate(name="both")([y[..., :8], rest]))
    gate = conv(16, 1, "gate", activation="sigmoid")(conv(4, 3, "near", activation="gelu")(y))
    y = layers.Multiply(name="attended")([y, gate])
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(y)
    contrast = tf.math.reduce_std(y, (1, 2), keepdims=True) + mean
    gate = conv(16, 1, "wide", activation="sigmoid")(
        conv(4, 1, "narrow", activation="relu")(contrast)
    )
    y = layers.Multiply(name="weighed")([y, gate]) + head
    y = tf.nn.depth_to_space(conv(12, 3, "last")(y), 2)
    y = tf.clip_by_value(y + layers.UpSampling2D(2, name="large")(picture), 0.0, 1.0)
    model = tf_keras.Model(picture, y, name="attention")
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            spread = (0.1 if layer.name == "last" else 1.0) * np.prod(kernel.shape[:3]) ** -0.5
            layer.set_weights([rng.normal(0.0, spread, kernel.shape), 0.05 * rng.random(len(bias))])
    # One number for all channels, which the converter would take for that of the first.
    layer = model.get_layer("last")
    layer.set_weights([layer.get_weights()[0], np.full(12, 0.02)])
    return model


@pytest.fixture(scope="module")
def result(picture_folder):
    small = {"pictures": 12, "tile_side": 32, "method": "natural+adaround"}
    settings = ExportSettings(sizes=(Size(16, 24), Size(None, None)), **small)
    return run_export(attention_network(), settings, images=picture_folder)


def test_a_file_with_attention_is_full_integer_and_near_the_float_network(result):
    audit = result.audit
    assert audit.full_integer and audit.pixel_contract.holds and not audit.clip_ops
    assert audit.ops["MEAN"] == 2 and audit.ops["LOGISTIC"] == 2 and audit.ops["GELU"] == 1
    assert "STRIDED_SLICE" not in audit.ops and "SPLIT" not in audit.ops
    manifest = result.manifest
    assert manifest["fidelity"]["psnr_db"] > 45.0
    simulated = manifest["kernels"]["builtin_from_integer_simulation"]
    assert simulated["max_abs_code_difference"] == 0
    notes = " ".join(result.network.notes)
    assert "takes a mean over the whole picture" in notes and "leaves to the CPU" in notes


def test_xnnpack_leaves_to_the_cpu_what_is_said(result):
    delegation = result.counts.file
    assert isinstance(delegation, Delegation)
    assert sorted(delegation.left_behind) == ["GELU", "QUANTIZE", "QUANTIZE", "SQRT"]


def test_tiles_of_it_are_refused_in_one_line(result):
    with pytest.raises(
        ModelFileError, match=r"MEAN .* takes a mean over the whole picture"
    ) as said:
        read_receptive_field(result.content)
    assert "\n" not in str(said.value)
