import numpy as np
import tf_keras

from export.exporting.conversion import convert_with_ranges
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.tflite.flatbuffer import read_graph


def test_tensors_operators_and_constants_are_read(sharpening, natural):
    ranges = pin_pixels(observe_ranges(sharpening, natural), sharpening)
    content = convert_with_ranges(
        sharpening, ranges, sample=natural.pictures[0], height=8, width=10, io="int8"
    )
    graph = read_graph(content)
    assert [op.name for op in graph.operators] == ["CONV_2D", "DEPTH_TO_SPACE"]
    convolution = graph.operators[0]
    picture, kernel, bias = (graph.tensors[i] for i in convolution.inputs)
    assert (picture.shape, picture.dtype, picture.constant) == ((1, 8, 10, 3), "int8", False)
    assert (kernel.shape, kernel.dtype, kernel.constant) == ((12, 3, 3, 3), "int8", True)
    assert (bias.shape, bias.dtype) == ((12,), "int32")
    # Per-channel scales of a symmetric kernel: greatest weight over 127 (1.6 at the centre).
    np.testing.assert_allclose(kernel.scales, 1.6 / 127, rtol=1e-5)
    assert kernel.scale is None
    assert graph.producer(graph.outputs[0]) is graph.operators[1]
    assert graph.producer(graph.inputs[0]) is None
    assert graph.size_bytes == len(content)


def test_tf_keras_is_the_keras_in_use():
    assert tf_keras.__version__.startswith("2.")
