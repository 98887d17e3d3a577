import types

import pytest

from export.running.interpreters import Tensor
from export.running.pixels import find_scale
from sr_models.ground.errors import ModelFileError


def shapes(*, inputs, outputs):
    """The part of a runner that has shapes."""
    return types.SimpleNamespace(
        inputs=tuple(Tensor("in", shape, "uint8", 1 / 255, 0) for shape in inputs),
        outputs=tuple(Tensor("out", shape, "uint8", 1 / 255, 0) for shape in outputs),
        model=types.SimpleNamespace(name="fake.tflite"),
    )


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [
        ((1, 5, 7, 3), (1, 15, 21, 3), 3),
        ((1, 5, 7, 3), (1, 5, 7, 3), 1),
        ((4, 1, 1, 3), (4, 8, 8, 3), 8),
        ((1, 3, 5, 7), (1, 3, 10, 14), 2),
    ],
)
def test_the_scale_is_told_by_the_shapes(low, high, scale):
    assert find_scale(shapes(inputs=[low], outputs=[high])) == scale


def test_a_file_of_luma_has_a_scale_where_luma_will_do():
    luma = shapes(inputs=[(1, 4, 4, 1)], outputs=[(1, 8, 8, 1)])
    assert find_scale(luma, luma=True) == 2
    with pytest.raises(ModelFileError, match="expected an RGB or luma picture"):
        find_scale(shapes(inputs=[(1, 4, 4, 1)], outputs=[(1, 8, 8, 3)]), luma=True)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([(1, 4, 4, 3)], [(1, 8, 9, 3)]),
        ([(1, 4, 4, 3)], [(1, 10, 10, 3)]),
        ([(1, 4, 4, 3)], [(1, 2, 2, 3)]),
        ([(1, 4, 4, 1)], [(1, 8, 8, 1)]),
        ([(1, 3, 4, 4)], [(1, 3, 8, 9)]),
        ([(4, 4, 3)], [(8, 8, 3)]),
        ([(1, 4, 4, 3)] * 2, [(1, 8, 8, 3)]),
        ([(1, 4, 4, 3)], []),
        ([], []),
    ],
)
def test_other_shapes_are_no_super_resolution(inputs, outputs):
    with pytest.raises(ModelFileError, match="found shapes"):
        find_scale(shapes(inputs=inputs, outputs=outputs))
