import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from export.exporting.conversion import convert_with_ranges
from export.exporting.first_size import needs_room
from export.inspecting.audit import audit_model
from export.running.interpreters import open_model
from export.tflite.windows import looks_everywhere
from sr_models.ground.errors import OptionError
from sr_models.importing.operations import INPUT, Network, Operation
from sr_models.importing.picture_sizes import resizing_to_picture
from sr_models.networks.keras_windows import receptive_field_of, size_multiple
from sr_models.networks.value_layers import ResizeToPicture
from tests.families import export_small, random_weights

layers = tf_keras.layers
PLAIN = {"corners": False, "centred": True}


def reduced(*strides):
    """A network of steps with strides, and the name of the last."""
    network = Network()
    name = network.add(Operation(INPUT, "input", (), 3))
    for stride in strides:
        values = {"strides": (stride, stride)}
        name = network.add(Operation("step", "max_pool", (name,), 3, values))
    return network, name


@pytest.mark.parametrize(
    ("strides", "low", "high", "picture", "places", "found"),
    [
        ((2, 3), (9, 9), (64, 64), (64, 64), PLAIN, (1, 1)),
        # Eight times as large by chance: at the next size it would be another factor.
        ((2, 3), (6, 6), (48, 48), (48, 48), PLAIN, (1, 1)),
        ((2, 3), (9, 4), (64, 32), (64, 32), PLAIN, (1, 1)),
        ((2, 3), (9, 9), (32, 32), (64, 64), PLAIN, (1, 2)),
        ((2,), (32, 32), (64, 64), (64, 64), PLAIN, None),
        ((2, 2), (16, 16), (32, 32), (64, 64), PLAIN, None),
        ((2,), (32, 32), (16, 16), (64, 64), PLAIN, None),
        ((2, 2), (16, 16), (32, 32), (64, 64), {"corners": True, "centred": False}, (1, 2)),
        ((), (64, 64), (128, 128), (64, 64), {"corners": False, "centred": False}, (2, 1)),
        ((2, 3), (9, 9), (64, 32), (64, 64), PLAIN, None),
        ((2, 3), (9, 9), (61, 61), (64, 64), PLAIN, None),
    ],
)
def test_what_is_said_by_the_size_of_the_picture(strides, low, high, picture, places, found):
    network, name = reduced(*strides)
    values = resizing_to_picture(network, name, low=low, high=high, picture=picture, **places)
    if found is None:
        assert values is None
    else:
        assert values == {"times": found[0], "parts": found[1], **places}


def attention():
    """Attention as RFDN has it: what is gated, and a gate that was made on 64, 31, 9 pixels."""
    picture = tf_keras.Input((None, None, 3), name="input")
    x = layers.Conv2D(8, 3, padding="same", name="first")(picture)
    y = layers.Conv2D(4, 3, strides=2, name="strided")(x)
    y = layers.Conv2D(4, 3, padding="same", name="low")(layers.MaxPooling2D(7, 3, name="pool")(y))
    y = ResizeToPicture(name="back")([y, picture])
    gate = layers.Activation("sigmoid", name="gate")(layers.Conv2D(8, 1, name="near")(y))
    x = layers.Multiply(name="gated")([x, gate])
    last = layers.Conv2D(12, 3, padding="same", name="last")(x)
    return random_weights(tf_keras.Model(picture, last))


def test_it_takes_any_size_and_no_tiles():
    model = attention()
    assert size_multiple(model) == 1 and needs_room(model)
    with pytest.raises(OptionError, match="back depends on the size of the picture"):
        receptive_field_of(model)
    low = tf_keras.Model(model.input, [model.get_layer(n).output for n in ("low", "back")])
    for size in ((37, 51), (48, 48)):
        before, after = low(np.random.default_rng(0).random((1, *size, 3)).astype(np.float32))
        assert after.shape == (1, *size, 4)
        np.testing.assert_allclose(after, tf.image.resize(before, size), atol=1e-6)


@pytest.mark.slow
def test_in_eight_bits_it_is_one_operator_of_xnnpack_and_takes_any_size():
    file = export_small(attention(), tail="relu", scale=2)
    audit = audit_model(file.content)
    assert audit.full_integer and audit.pixel_contract.holds
    assert audit.ops["RESIZE_BILINEAR"] == 1 and audit.ops["QUANTIZE"] == 2
    assert looks_everywhere(file.content)
    assert open_model(file.content).delegation.left_behind == ("QUANTIZE", "QUANTIZE")
    pixels = np.asarray(file.model(file.pictures.astype(np.float32) / 255.0))
    expected = np.clip(np.rint(255.0 * pixels), 0, 255)
    assert np.abs(file.codes("xnnpack") - expected).mean() < 3.0
    sizes = {"height": None, "width": None}
    free = convert_with_ranges(file.model, file.ranges, sample=file.pictures[0], **sizes)
    assert audit_model(free).full_integer
    runner = open_model(free, delegate="builtin")
    runner.resize(24, 36)
    found = np.stack([runner.run(picture[None])[0] for picture in file.pictures])
    np.testing.assert_array_equal(found, file.codes("builtin"))
