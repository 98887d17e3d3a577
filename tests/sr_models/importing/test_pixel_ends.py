import numpy as np
import tensorflow as tf
import tf_keras
from hypothesis import given
from hypothesis import strategies as st

from sr_models.importing.keras_network import to_keras
from sr_models.importing.pixel_ends import with_pixels
from sr_models.importing.simplification import simplified
from tests.strangers import layers, read, varied

PICTURE = np.random.default_rng(7).random((1, 12, 14, 3)).astype(np.float32)


def small_network():
    picture = tf_keras.Input((12, 14, 3))
    y = layers.Conv2D(4, 3, padding="same", activation="relu")(picture)
    y = layers.Conv2D(12, 3, padding="same")(y)
    return varied(tf_keras.Model(picture, tf.nn.depth_to_space(y, 2)))


GRAPH = read(small_network())


@given(st.floats(-300, 300), st.floats(-300, 300), st.floats(0.1, 300), st.floats(0.1, 300))
def test_any_range_of_pixels_can_be_taken_and_given(black_in, black_out, span_in, span_out):
    """The rewritten network on 0..1 is the given one between two changes of unit."""
    graph, network = GRAPH
    rescaled = simplified(
        simplified(
            with_pixels(
                network,
                black_in=black_in,
                white_in=black_in + span_in,
                black_out=black_out,
                white_out=black_out + span_out,
            )
        ),
        final=True,
    )
    expected = (graph(PICTURE * np.float32(span_in) + np.float32(black_in)) - black_out) / span_out
    found = to_keras(rescaled, name="rescaled")(PICTURE).numpy()
    scale = max(1.0, np.abs(expected).max(), abs(black_out) / span_out)
    np.testing.assert_allclose(found / scale, expected / scale, atol=2e-5)
    assert "affine" not in {operation.kind for operation in rescaled}
