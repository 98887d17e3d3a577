import os
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.external_data_helper import convert_model_to_external_data

from sr_models.ground.errors import NetworkError
from sr_models.importing import onnx_file, protobuf_wire
from sr_models.importing.foreign_graph import CannotRunError
from sr_models.importing.onnx_file import load_onnx_file
from tests.onnx_files import Graph, stranger_file

SHAPE = (1, 8, 10, 3)
PICTURE = np.random.default_rng(1).random(SHAPE).astype(np.float32)


def read(path):
    """The operations of a file for a small picture."""
    return load_onnx_file(path).at(SHAPE).network


def refused(content, tmp_path, match):
    """A file is refused in one line."""
    path = tmp_path / "net.onnx"
    if isinstance(content, onnx.ModelProto):
        content = content.SerializeToString()
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=match) as error:
        read(path)
    assert "\n" not in str(error.value)


@pytest.fixture
def outside(tmp_path):
    """A file whose weights lie in `net.data` beside it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    model = stranger_file()
    convert_model_to_external_data(model, location="net.data", size_threshold=0)
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


def located(path, **entries):
    """The file with other entries for where its first weights lie."""
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        entry.value = entries.get(entry.key, entry.value)
    path.write_bytes(model.SerializeToString())


def test_weights_beside_the_file_are_those_inside_of_it(outside, tmp_path):
    inside = tmp_path / "inside.onnx"
    onnx.save(stranger_file(), inside)
    file = load_onnx_file(outside)
    assert np.array_equal(file(PICTURE), load_onnx_file(inside)(PICTURE))
    assert [path.name for path in file.files] == ["net.onnx", "net.data"]


@pytest.mark.parametrize(
    "place", ["../net.data", "/etc/hostname", "a/../../net.data", "..\\net.data", "C:net.data", ""]
)
def test_weights_outside_of_the_folder_are_not_touched(place, outside, tmp_path):
    shutil.copy(outside.parent / "net.data", tmp_path)
    located(outside, location=place)
    with pytest.raises(NetworkError, match="expected weights in files beside the ONNX file"):
        load_onnx_file(outside)


def test_a_link_that_leads_out_of_the_folder_is_not_followed(outside, tmp_path):
    shutil.move(outside.parent / "net.data", tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", outside.parent / "net.data")
    with pytest.raises(NetworkError, match="expected weights in files beside the ONNX file"):
        load_onnx_file(outside)


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ({"location": "none.data"}, "no such file; copy it there"),
        ({"location": "."}, "beside the ONNX file"),
        ({"offset": "999999"}, "expected whole weights"),
        ({"length": "4"}, "expected whole weights"),
        ({"length": "-4"}, "found -4"),
        ({"offset": "9" * 40}, "found 999"),
    ],
)
def test_places_of_weights_that_are_not_there(entries, match, outside):
    located(outside, **entries)
    with pytest.raises(NetworkError, match=match):
        load_onnx_file(outside)


def test_a_cut_file_of_weights(outside):
    data = outside.parent / "net.data"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(NetworkError, match="expected whole weights"):
        load_onnx_file(outside)


@pytest.mark.parametrize("dims", [[2**40, 2**40], [2**62, 4], [-1, 3, 3, 3], [6, 3, 3, 4]])
def test_shapes_that_their_weights_do_not_have(dims, tmp_path):
    model = stranger_file()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    refused(model, tmp_path, "expected whole weights in weights_1, found")


@pytest.mark.parametrize(
    ("node", "match"),
    [
        (("ConstantOfShape", [2**40]), "makes more"),
        (("ConstantOfShape", [2**33, 2**33]), "makes more"),
        (("ConstantOfShape", [1, 3, 2**12, 2**12]), "depend on the place"),
    ],
)
def test_small_nodes_that_would_make_large_tensors(node, match, tmp_path):
    graph = Graph()
    kind, sizes = node
    x = graph.conv("input", 3, 3)
    y = graph.node("Add", x, graph.node(kind, graph.numbers(*sizes)))
    for _ in range(5):
        y = graph.node("Add", y, graph.node(kind, graph.numbers(*sizes)))
    refused(graph.model(y), tmp_path, match)


@pytest.mark.parametrize("kind", ["Tile", "Expand", "Resize", "Pad"])
def test_pictures_that_would_become_huge(kind, tmp_path):
    graph = Graph()
    huge = {
        "Tile": lambda: [graph.numbers(1, 2**40, 1, 1)],
        "Expand": lambda: [graph.numbers(2**40, 1, 1, 1, 1)],
        "Resize": lambda: ["", graph.held(np.float32([1, 1, 2**20, 2**20]))],
        "Pad": lambda: [graph.numbers(0, 0, 0, 2**40, 0, 0, 0, 0)],
    }
    y = graph.node(kind, "input", *huge[kind]())
    refused(graph.model(y), tmp_path, f"found {kind} ")


def test_nodes_in_a_circle_and_out_of_order(tmp_path):
    model = stranger_file()
    first, second = model.graph.node[:2]
    second.input[0], first.input[0] = first.output[0], second.output[0]
    refused(model, tmp_path, "in the order of computation, found /first/Conv")
    model = stranger_file()
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    refused(model, tmp_path, "in the order of computation")


def test_a_tensor_that_is_made_twice(tmp_path):
    model = stranger_file()
    again = model.graph.node.add()
    again.CopyFrom(model.graph.node[0])
    last = model.graph.node.add()
    last.CopyFrom(helper.make_node("Add", [again.output[0]] * 2, ["sum"]))
    again.output[0] = model.graph.initializer[0].name
    last.input[0] = again.output[0]
    model.graph.output[0].name = "sum"
    refused(model, tmp_path, "each tensor to be made once|order of computation")


def test_more_nodes_than_a_network_has(tmp_path):
    model = stranger_file()
    for _ in range(onnx_file.MOST_NODES):
        model.graph.node.add()
    refused(model, tmp_path, f"at most {onnx_file.MOST_NODES} nodes")


def test_what_would_take_much_more_memory_than_the_file_is_not_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx.ModelProto, "ParseFromString", lambda *_: pytest.fail("parsed"))
    node = b"\x0a\x00"  # field 1, no bytes
    graph = node * (protobuf_wire.ONNX.most_records + 1)
    size = bytes([len(graph) & 0x7F | 0x80, len(graph) >> 7 & 0x7F | 0x80, len(graph) >> 14])
    refused(b"\x3a" + size + graph, tmp_path, "expected at most .* entries")


def test_two_inputs_that_are_read_or_none(tmp_path):
    model = stranger_file()
    model.graph.input.add().CopyFrom(model.graph.input[0])
    model.graph.input[1].name = "other\nname"
    model.graph.node[1].input[0] = "other\nname"
    model.graph.node[2].input.append("input")
    refused(model, tmp_path, r"expected one input, found 2 \(input, other_name\)")
    model = stranger_file()
    del model.graph.input[:]
    refused(model, tmp_path, "expected one input, found 0")


def several_outputs(tmp_path, *, batch=1, shape=()):
    """Features come first, and nothing reads a second input."""
    model = stranger_file(shape=(batch, 3, *(shape or ("height", "width"))))
    features = model.graph.node[0].output[0]
    picture = onnx.ValueInfoProto.FromString(model.graph.output[0].SerializeToString())
    del model.graph.output[:]
    model.graph.output.add().name = features
    model.graph.output.append(picture)
    model.graph.input.add().CopyFrom(model.graph.input[0])
    model.graph.input[1].name = "strength"
    onnx.save(model, tmp_path / "net.onnx")
    return features, picture.name


def test_of_several_outputs_the_upscaled_picture_is_taken(tmp_path):
    features, picture = several_outputs(tmp_path)
    found = load_onnx_file(tmp_path / "net.onnx")
    assert found.notes == (f"took the output {picture} of {features}, {picture}",)
    assert found.at((1, 8, 10, 3)).output.shape == (1, 16, 20, 3)
    assert load_onnx_file(tmp_path / "net.onnx", output="1").notes == found.notes
    asked = load_onnx_file(tmp_path / "net.onnx", output=features)
    assert asked.at((1, 8, 10, 3)).output.shape == (1, 8, 10, 6)
    with pytest.raises(NetworkError, match=f"one of {features}, {picture}, found 'sr'"):
        load_onnx_file(tmp_path / "net.onnx", output="sr")


def test_of_a_batch_one_picture_is_taken_and_run(tmp_path):
    several_outputs(tmp_path, batch=4, shape=(8, 10))
    found = load_onnx_file(tmp_path / "net.onnx")
    assert found.input_shape == (None, 8, 10, 3) and found.notes[0].endswith("a batch of 4")
    picture = np.random.default_rng(0).random((1, 8, 10, 3)).astype(np.float32)
    np.testing.assert_allclose(found(picture), found.at(picture.shape)(picture), atol=1e-5)


def test_weights_may_be_listed_among_the_inputs(tmp_path):
    model = stranger_file()
    for weights in model.graph.initializer:
        value = helper.make_tensor_value_info(weights.name, TensorProto.FLOAT, weights.dims)
        model.graph.input.insert(0, value)
    onnx.save(model, tmp_path / "net.onnx")
    assert load_onnx_file(tmp_path / "net.onnx")(PICTURE).shape == (1, 16, 20, 3)


@pytest.mark.parametrize("opset", [8, 25, 0])
def test_other_opsets(opset, tmp_path):
    model = stranger_file()
    model.opset_import[0].version = opset
    refused(model, tmp_path, f"expected ONNX opset 9 to 24, found {opset}; .*opset_version=17")


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        ((1, 3, 8), r"expected an input \(N, C, H, W\)"),
        ((1, "c", "h", "w"), "a fixed number of channels"),
        ((1, 3, -4, 8), r"expected an input \(N, C, H, W\)"),
    ],
)
def test_inputs_that_are_no_picture(shape, match, tmp_path):
    refused(Graph(shape=shape).model("input"), tmp_path, "expected a whole ONNX file")
    graph = Graph(shape=shape)
    refused(graph.model(graph.conv("input", 3, 3)), tmp_path, match)


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"PK\x03\x04" + bytes(40), b"\x80\x02}q"])
def test_other_files(content, tmp_path):
    refused(content, tmp_path, "expected a whole ONNX file, found a damaged or another one")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(NetworkError, match="found none that can be read"):
        load_onnx_file(tmp_path / "none.onnx")


def test_weights_of_other_types(tmp_path):
    model = stranger_file()
    model.graph.initializer[0].data_type = TensorProto.BFLOAT16
    refused(model, tmp_path, "found BFLOAT16 in weights_1")
    model.graph.initializer[0].data_type = 12345
    refused(model, tmp_path, "found 12345 in weights_1")


def test_damaged_files_are_read_or_refused_in_one_line(tmp_path):
    """Cuts and flipped bytes, in the weights too; a name that changed changes nothing."""
    rng = np.random.default_rng(0)
    whole = stranger_file().SerializeToString()
    path, refusals = tmp_path / "net.onnx", 0
    for _ in range(400):
        content = bytearray(whole)
        if rng.random() < 0.3:
            content = content[: rng.integers(len(content))]
        for _ in range(rng.integers(1, 6) if len(content) else 0):
            # Two thirds among what is no weights.
            place = rng.integers(len(content))
            content[place] = rng.integers(256)
        path.write_bytes(content)
        try:
            read(path)
        except NetworkError as error:
            refusals += 1
            assert "\n" not in str(error) and len(str(error)) < 600
    assert refusals > 100


def test_without_a_fast_runtime_large_pictures_are_not_run(tmp_path, monkeypatch):
    onnx.save(stranger_file(), tmp_path / "net.onnx")
    monkeypatch.setattr(onnx_file, "find_spec", lambda _: None)
    file = load_onnx_file(tmp_path / "net.onnx")
    assert file.runtime.startswith("onnx.reference ")
    assert file(PICTURE).shape == (1, 16, 20, 3)
    with pytest.raises(CannotRunError, match="onnxruntime is not installed"):
        file(np.zeros((1, 200, 200, 3), np.float32))


def test_a_size_that_a_file_does_not_take_is_not_run(tmp_path):
    graph = Graph(shape=(1, 3, 8, 10))
    y = graph.node("Reshape", graph.conv("input", 3, 12), graph.numbers(1, 3, 2, 2, 8, 10))
    y = graph.node("Transpose", y, perm=(0, 1, 4, 2, 5, 3))
    y = graph.node("Reshape", y, graph.numbers(1, 3, 16, 20))
    onnx.save(graph.model(y), tmp_path / "net.onnx")
    file = load_onnx_file(tmp_path / "net.onnx")
    assert file(PICTURE).shape == (1, 16, 20, 3)
    with pytest.raises(CannotRunError, match=r"does not take 9x10 pixels .*Reshape"):
        file(np.zeros((1, 9, 10, 3), np.float32))


def test_onnxruntime_gives_what_the_reference_gives(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    onnx.save(stranger_file(), tmp_path / "net.onnx")
    fast = load_onnx_file(tmp_path / "net.onnx")
    assert fast.runtime.startswith("onnxruntime ")
    answer = fast(np.concatenate([PICTURE, 1.0 - PICTURE]))
    monkeypatch.setattr(onnx_file, "find_spec", lambda _: None)
    slow = load_onnx_file(tmp_path / "net.onnx")(PICTURE)
    assert answer.shape == (2, 16, 20, 3) and np.abs(answer[:1] - slow).max() < 1e-5


@pytest.mark.parametrize("kind", ["Resize", "Reshape"])
def test_sizes_that_were_fixed_in_a_file_of_free_sizes(kind, tmp_path):
    graph = Graph()
    _, height, width, _ = SHAPE
    if kind == "Resize":
        y = graph.node(kind, "input", "", "", graph.numbers(1, 3, 2 * height, 2 * width))
        match = "sizes that follow the picture's"
    else:
        y = graph.node(kind, "input", graph.numbers(3, 1, height, width))
        y = graph.node(kind, y, graph.numbers(1, 3, height, width))
        match = "sizes that follow the picture's.*found Reshape from"
    refused(graph.model(y), tmp_path, match)
