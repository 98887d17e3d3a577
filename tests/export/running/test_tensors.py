import json

import numpy as np

from export.running.interpreters import Tensor, described, tensor_of


def details(*, scales=(), zero_points=(), dtype=np.float32):
    """What an interpreter tells of a tensor."""
    return {
        "name": "input",
        "index": 7,
        "shape": np.array([1, 24, 20, 3], np.int32),
        "dtype": dtype,
        "quantization_parameters": {
            "scales": np.array(scales, np.float32),
            "zero_points": np.array(zero_points, np.int32),
            "quantized_dimension": 0,
        },
    }


def test_a_quantized_tensor_has_a_scale_and_a_zero_point():
    found = tensor_of(details(scales=[0.25], zero_points=[-128], dtype=np.int8))
    assert found == Tensor("input", (1, 24, 20, 3), "int8", 0.25, -128)


def test_a_float_tensor_has_neither():
    assert tensor_of(details()) == Tensor("input", (1, 24, 20, 3), "float32", None, None)


def test_as_data_it_is_plain():
    found = tensor_of(details(scales=[0.25], zero_points=[3], dtype=np.uint8)).to_json()
    assert json.loads(json.dumps(found)) == {
        "name": "input",
        "shape": [1, 24, 20, 3],
        "dtype": "uint8",
        "scale": 0.25,
        "zero_point": 3,
    }


def test_in_words_it_is_shape_and_type():
    assert described(details(dtype=np.uint8)) == "(1, 24, 20, 3) uint8"
