import pytest

from export.inspecting.clips import is_clip, link_of, paths_from, paths_to, store_of
from export.tflite.steps import Obstacle
from sr_models.quantization.grids import Grid
from sr_models.tflite.unpacked import unpack
from tests.tiny_files import TinyFile, clipped_file, loose_grid, pixel_grid


def last(model):
    return model.graph.operators[-1]


def before_last(content):
    model = unpack(content)
    return paths_to(model, last(model).inputs[0], reader=last(model))


def test_a_path_tells_what_each_operator_does_to_a_code():
    (path,) = before_last(clipped_file("MINIMUM", "DEPTH_TO_SPACE", "RELU"))
    assert path.producer.name == "CONV_2D"
    assert (path.store.lowest, path.store.highest) == (-128, 127)
    minimum, moved = path.links
    assert [(s.lowest, s.highest) for s in minimum.steps] == [(-128, 126)]
    assert not moved.steps[0].changes(-128, 127)


def test_branches_have_a_path_each():
    paths = before_last(clipped_file("CONCATENATION", "RELU"))
    assert [path.producer.name for path in paths] == ["CONV_2D", "CONV_2D"]
    assert len({path.tensor for path in paths}) == 2


def test_a_fused_activation_bounds_the_store():
    (path,) = before_last(clipped_file("RELU", activation="RELU6"))
    assert (path.store.lowest, path.store.highest) == (-88, 127)


def test_bounds_that_differ_by_channel_are_told_by_their_extremes():
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    tensor = file.convolution(picture, loose_grid(), channels=3)
    tensor = file.bound("MINIMUM", tensor, [1.0, 0.9, 0.5])
    model = unpack(file.finished([picture], [tensor]))
    link = link_of(model, last(model), last(model).inputs[0])
    assert [s.highest for s in link.steps] == [19, 126]


def build(change):
    """A convolution, something, and a RELU; `change(file, tensor)` returns what the RELU reads."""
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    tensor = file.convolution(picture, loose_grid(), channels=3)
    read = change(file, tensor, picture)
    clipped = file.rectifier("RELU", read, pixel_grid())
    return file.finished([picture], [clipped])


def with_second_reader(file, tensor, _):
    file.rectifier("RELU", tensor, pixel_grid())
    return tensor


def with_unlike_grids(file, tensor, _):
    moved = file.reshape(tensor, (1, 6, 4, 3))
    file.graph.tensors[moved].quantization.scale[0] *= 2
    return moved


def with_tanh(file, tensor, _):
    return file.rectifier("TANH", tensor, Grid("int8", 1 / 128, 0))


def with_variable(file, tensor, _):
    file.graph.tensors[tensor].isVariable = True
    return tensor


def with_bound_off_the_grid(file, tensor, _):
    bounded = file.bound("MINIMUM", tensor, 1.0)
    constant = file.graph.operators[-1].inputs[1]
    file.graph.tensors[constant].quantization.scale[0] *= 1.5
    return bounded


def with_broadcast(file, tensor, _):
    bounded = file.bound("MINIMUM", tensor, 1.0)
    file.graph.tensors[bounded].shape[0] = 2
    return bounded


def with_input(file, _, picture):
    return picture


def with_activation_on_concatenation(file, tensor, _):
    joined = file.concatenation([tensor])
    file.graph.operators[-1].builtinOptions.fusedActivationFunction = 1
    return joined


def with_long_chain(file, tensor, _):
    for _ in range(70):
        tensor = file.reshape(tensor, (1, 4, 6, 3))
    return tensor


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_second_reader, r"RELU \(operator 1\) also reads what CONV_2D"),
        (with_unlike_grids, r"RESHAPE \(operator 1\) reads .* and writes"),
        (with_tanh, "TANH .operator 1. cannot be given another output grid"),
        (with_variable, "writes a variable"),
        (with_bound_off_the_grid, "constant of MINIMUM .* is not on the grid"),
        (with_broadcast, "broadcasts"),
        (with_input, "reads an input"),
        (with_activation_on_concatenation, "CONCATENATION .* has a fused RELU"),
        (with_long_chain, "more than 64 operators"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_stands_in_the_way_is_named(change, reason):
    with pytest.raises(Obstacle, match=reason):
        before_last(build(change))


def test_a_quantize_stands_in_for_a_producer_that_others_read():
    def change(file, tensor, _):
        file.reshape(tensor, (1, 6, 4, 3))
        return file.quantize(tensor, loose_grid())

    (path,) = before_last(build(change))
    assert path.producer.name == "QUANTIZE"


def test_ways_on_end_at_outputs():
    model = unpack(clipped_file("RELU", "DEPTH_TO_SPACE", "QUANTIZE", after=pixel_grid()))
    relu = model.graph.operators[1]
    (way,) = paths_from(model, relu.outputs[0])
    assert [link.op.name for link in way] == ["DEPTH_TO_SPACE", "QUANTIZE"]


def test_a_clip_that_the_network_computes_with_is_no_clip_of_the_picture():
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    tensor = file.convolution(picture, loose_grid(), channels=3)
    clipped = file.rectifier("RELU", tensor, pixel_grid())
    again = file.convolution(clipped, loose_grid(), channels=3, name="last")
    model = unpack(file.finished([picture], [again]))
    with pytest.raises(Obstacle, match=r"CONV_2D \(operator 2\) computes with"):
        list(paths_from(model, clipped))


def test_a_minimum_of_two_pictures_is_no_clip():
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    first = file.convolution(picture, loose_grid(), channels=3)
    second = file.convolution(picture, loose_grid(), channels=3, name="second")
    result = file.tensor("smaller", (1, 4, 6, 3), grid=loose_grid())
    file.operator("MINIMUM", [first, second], [result])
    model = unpack(file.finished([picture], [result]))
    assert not is_clip(model, last(model))


def test_what_a_store_multiplies_by_tells_its_rounding():
    model = unpack(clipped_file())
    convolution = model.graph.operators[0]
    weights = model.graph.tensors[convolution.inputs[1]].scale
    store = store_of(model, convolution, convolution.outputs[0])
    multiplier = weights / 255 / loose_grid().scale
    # Below 1/2 by n factors of two, so n bits are shifted out after a first rounding.
    shifts = 0
    while multiplier < 0.5:
        multiplier, shifts = multiplier * 2, shifts + 1
    assert shifts > 3
    assert store.slack == 2.0 ** -(shifts + 1)
