import numpy as np
import pytest

from export.inspecting.float_clips import float_clips, with_float_clips
from export.inspecting.plan import plan_strip
from export.running.interpreters import open_model
from export.stripping.strip import strip_model
from export.tflite.steps import Obstacle
from sr_models.ground.errors import ModelFileError
from sr_models.tflite.unpacked import unpack
from tests.tiny_files import TinyFile


def real_file(*tail, constant=1.0, second_reader=False):
    """A picture squared by MUL, and a tail of real numbers."""
    file = TinyFile()
    shape = (1, 4, 6, 4)
    picture = file.tensor("picture", shape, dtype="float32")
    tensor = file.tensor("squared", shape, dtype="float32")
    file.operator("MUL", [picture, picture], [tensor], version=1)
    outputs = [tensor] if second_reader else []
    for index, name in enumerate(tail):
        result = file.tensor(f"tail{index}", shape, dtype="float32")
        inputs = [tensor]
        if name in ("MINIMUM", "MAXIMUM"):
            value = constant if name == "MINIMUM" else 0.25
            shape_of = np.shape(value)
            inputs.append(file.tensor(f"c{index}", shape_of, dtype="float32", data=value))
        file.operator(name, inputs, [result], version=1)
        tensor = result
    return file.finished([picture], [*outputs, tensor])


def test_the_clips_of_an_output_are_found_with_their_bounds():
    (found,) = float_clips(unpack(real_file("MINIMUM", "RELU")))
    assert [link.op.name for link in found.links] == ["MINIMUM", "RELU"]
    assert (found.low, found.high) == (0.0, 1.0)
    (found,) = float_clips(unpack(real_file("RELU6", "MAXIMUM", constant=4.0)))
    assert (found.low, found.high) == (0.25, 6.0)
    assert float_clips(unpack(real_file())) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (real_file("RELU", second_reader=True), "others read what RELU"),
        (real_file("MINIMUM", constant=[1.0, 2.0, 1.0, 1.0]), "differs between elements"),
        (real_file("MINIMUM", "MAXIMUM", constant=0.1), "contradicts the clip behind it"),
    ],
)
def test_what_stands_in_the_way_is_named(content, said):
    with pytest.raises(Obstacle, match=said):
        float_clips(unpack(content))


def test_a_plan_names_them_as_unbounded():
    model = unpack(real_file("MINIMUM", "RELU"))
    plan = with_float_clips(plan_strip(model), float_clips(model))
    assert plan.proof == "unbounded" and plan.left == ()


def test_a_file_of_real_numbers_is_stripped_on_request_alone(sandbox):
    content = real_file("MINIMUM", "RELU")
    with pytest.raises(ModelFileError, match="give --float"):
        strip_model(content, sandbox=sandbox)
    result = strip_model(content, sandbox=sandbox, floats=True)
    assert result.proof == "unbounded"
    assert [op["op"] for op in result.removed_ops] == ["MINIMUM", "RELU"]
    assert result.agreement.max_abs_code_difference == 0
    picture = np.full((1, 4, 6, 4), 3.0, np.float32)
    assert open_model(result.content, delegate="builtin").run(picture).max() == 9.0
