import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from ai_edge_litert import schema_py_generated as schema

from sr_models.ground.errors import NetworkError
from sr_models.importing.foreign_graph import CannotRunError, is_same_network
from sr_models.importing.sources import open_network
from sr_models.importing.tflite_file import load_tflite_file
from sr_models.importing.tflite_running import run_content, values_of
from sr_models.tflite.unpacked import unpack
from tests.float_files import HEIGHT, SPELLINGS, WIDTH, FloatFile, spelled
from tests.metadata_files import normalizing, with_metadata
from tests.strangers import stranger
from tests.tiny_files import clipped_file, loose_grid, pixel_grid

TENTH_OF_A_CODE = 1 / 2550


def opened(content, tmp_path, **options):
    path = tmp_path / "net.tflite"
    path.write_bytes(content)
    return load_tflite_file(path, **options)


def answer(file, picture):
    """What LiteRT makes of a picture, in this process."""
    first = file.layout == "NCHW"
    given = np.ascontiguousarray(picture.transpose(0, 3, 1, 2) if first else picture)
    place = file.model.graph.outputs.index(file.output)
    found = run_content(file.content, given.tobytes(), shape=list(given.shape), output=place)
    made = values_of(found)
    layout = file.read(*picture.shape[1:3]).layout
    return made.transpose(0, 2, 3, 1) if layout == "NCHW" else made


def refused(content, tmp_path, match, **options):
    with pytest.raises(NetworkError, match=match) as error:
        opened(content, tmp_path, **options).at((1, HEIGHT, WIDTH, 3))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_is_read_as_litert_runs_it(name, tmp_path):
    file = opened(spelled(name), tmp_path)
    picture = np.random.default_rng(1).random((1, HEIGHT, WIDTH, 3)).astype(np.float32)
    found = file.at(picture.shape)(picture)
    assert np.abs(found - answer(file, picture)).max() < 1e-5 and np.ptp(found) > 0.1


def test_pixel_shuffles_in_parts_become_one_depth_to_space(tmp_path):
    for name in ("onnx2tf", "litert_torch"):
        read = opened(spelled(name), tmp_path).at((1, HEIGHT, WIDTH, 3)).network
        assert [op.kind for op in read if op.kind != "bound"][-2:] == [
            "convolution",
            "depth_to_space",
        ]


def converted(model, *, smaller=False, weights=None, integers=False):
    """What TensorFlow's converter makes of a Keras model of free size."""
    traced = tf.function(lambda x: model(x)).get_concrete_function(
        tf.TensorSpec((1, None, None, model.input_shape[3]), tf.float32)
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], model)
    if smaller:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if weights is not None:
        converter.target_spec.supported_types = [weights]
    if integers:
        pictures = np.random.default_rng(0).random((3, 1, 16, 16, 3)).astype(np.float32)
        converter.representative_dataset = lambda: ([picture] for picture in pictures)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    return converter.convert()


def wide_network():
    """One with so many weights (1024 a layer) that the converter makes integers of them."""
    tf_keras.utils.set_random_seed(0)
    picture = tf_keras.Input((None, None, 3))
    y = tf_keras.layers.Conv2D(40, 3, padding="same", activation="relu")(picture)
    y = tf_keras.layers.Conv2D(12, 3, padding="same")(y)
    return tf_keras.Model(picture, tf.clip_by_value(tf.nn.depth_to_space(y, 2), 0.0, 255.0))


@pytest.fixture(scope="module")
def files(once):
    """A clipped network of 0..255 as the converter writes it in four ways."""

    def make(folder):
        model = stranger(end=lambda y: tf.clip_by_value(y, 0.0, 255.0), unit=255.0)
        half = {"smaller": True, "weights": tf.float16}
        (folder / "float32.tflite").write_bytes(converted(model))
        (folder / "float16.tflite").write_bytes(converted(model, **half))
        (folder / "dynamic.tflite").write_bytes(converted(wide_network(), smaller=True))
        unit = stranger(end=lambda y: tf.clip_by_value(y, 0.0, 1.0))
        (folder / "integers.tflite").write_bytes(converted(unit, smaller=True, integers=True))

    return once("tflite_sources", make)


@pytest.mark.parametrize("name", ["float32", "float16", "dynamic"])
def test_what_the_converter_writes_is_the_network_it_was(name, files):
    network = open_network(str(files / f"{name}.tflite"))
    assert (network.scale, network.channels) == (2, 3)
    origin = network.origin
    assert origin["pixels_in"] == origin["pixels_out"] == [0.0, 255.0]
    assert origin["check"]["checked_against_source"], origin["check"]
    assert origin["check"]["largest_difference_of_255"] < 0.1
    assert any("removed the output clip" in note for note in network.notes)


def test_dynamic_weights_are_what_their_codes_stand_for(files):
    file = load_tflite_file(files / "dynamic.tflite")
    assert file.kind == "TFLite, int8 weights" and file.content != file.model.file.data
    assert "its weights as float32" in file.what_is_run
    held = unpack(file.content).graph.tensors
    assert not any(tensor.dtype == "int8" for tensor in held)


def test_metadata_that_says_otherwise_is_named(files, tmp_path):
    content = (files / "float32.tflite").read_bytes()
    for mean, std, named in ((0.0, 1.0, False), (127.5, 127.5, True)):
        path = tmp_path / f"{named}.tflite"
        path.write_bytes(with_metadata(content, normalizing([mean], [std])))
        network = open_network(path)
        assert network.origin["pixels_in"] == [0.0, 255.0]
        assert any("its metadata says -1..1" in note for note in network.notes) == named


def test_a_file_of_integers_is_refused_with_the_ways_from_there(files):
    with pytest.raises(NetworkError, match="strip, fix its ends with strip --repair-io, or give"):
        open_network(str(files / "integers.tflite"))
    with pytest.raises(NetworkError, match=r"found a float one: .*; leave it out"):
        open_network(str(files / "float32.tflite"), dequantize=True)


def test_integers_are_taken_back_to_real_numbers_and_how_far_is_said(files):
    network = open_network(str(files / "integers.tflite"), dequantize=True)
    check = network.origin["check"]
    assert check["checked_against_source"] and check["source_rounds"] == "computes on integers"
    assert 0.0 < check["average_difference_of_255"] < 2.0 < 20.0
    assert "the ranges of tensors are found anew" in network.notes[0]


def test_a_relu_that_the_grid_stands_for_is_one_again(tmp_path):
    for grid, kinds in ((pixel_grid, ["bound"]), (loose_grid, [])):
        content = clipped_file("DEPTH_TO_SPACE", dtype="uint8", before=grid("uint8"))
        file = opened(content, tmp_path, dequantize=True)
        picture = np.random.default_rng(2).random((1, 4, 6, 3)).astype(np.float32)
        read = file.at(picture.shape)
        assert [op.kind for op in read.network if op.kind == "bound"] == kinds
        stored, found = answer(file, picture), read(picture)
        found = np.clip(found, stored.min(), stored.max())  # As codes saturate.
        assert np.abs(found - stored).mean() < grid("uint8").scale and np.ptp(stored) > 0.5


def test_all_operators_in_the_way_are_named_in_one_line(tmp_path):
    file = FloatFile()
    y = file.same("ELU", file.same("SOFTMAX", file.conv(file.picture, 12)))
    refused(
        file.content(file.larger(y)),
        tmp_path,
        r"found SOFTMAX, ELU \(layer_1\); take a network without attention in its place",
    )


def test_one_picture_among_several_outputs_is_taken_and_named(tmp_path):
    file = FloatFile()
    y = file.conv(file.picture, 12)
    content = file.content(y, file.larger(y))
    found = opened(content, tmp_path)
    assert found.at((1, HEIGHT, WIDTH, 3)).output.shape == (1, 2 * HEIGHT, 2 * WIDTH, 3)
    assert found.notes[0] == "took the output out1 of out0, out1"
    for output in ("out1", 1, "1"):
        assert opened(content, tmp_path, output=output).output == found.output
    refused(content, tmp_path, "expected --output to be one of out0, out1, found '2'", output=2)


def test_two_pictures_among_the_outputs_are_one_too_many(tmp_path):
    file = FloatFile()
    first, second = (file.larger(file.conv(file.picture, 12)) for _ in range(2))
    content = file.content(first, second)
    refused(content, tmp_path, "expected one output .* found 2 among out0, out1; .*--output NAME")


def test_a_file_that_holds_sizes_is_taken_at_its_own_and_says_so(tmp_path):
    held, free = (opened(spelled(name), tmp_path) for name in ("upscalings", "activations"))
    assert held.input_shape == (1, HEIGHT, WIDTH, 3) and free.input_shape == (1, None, None, 3)
    assert f"sizes for {HEIGHT}x{WIDTH} pixels" in held.notes[0] and not free.notes


def test_of_a_batch_one_picture_is_taken_and_run(tmp_path):
    alone = opened(spelled("onnx2tf"), tmp_path)
    file = FloatFile()
    y = SPELLINGS["onnx2tf"](file)
    for tensor in file.graph.tensors:  # As the same network is written for four pictures.
        if len(tensor.shape) > 3 and not len(file.tables.buffers[tensor.buffer].data or ()):
            tensor.shape = np.array([4, *tensor.shape[1:]], np.int32)
    for op in file.graph.operators:
        code = file.tables.operatorCodes[op.opcodeIndex].builtinCode
        if code == schema.BuiltinOperator.RESHAPE:
            shape = file.tables.buffers[file.graph.tensors[op.inputs[1]].buffer]
            sizes = np.frombuffer(np.asarray(shape.data).tobytes(), np.int32).copy()
            sizes[0] = 4
            shape.data = np.frombuffer(sizes.tobytes(), np.uint8)
    found = opened(file.content(y), tmp_path)
    assert found.notes[0] == "took one picture of a batch of 4"
    picture = np.random.default_rng(3).random((1, HEIGHT, WIDTH, 3)).astype(np.float32)
    assert is_same_network(*(f.at(picture.shape).network for f in (found, alone)))
    np.testing.assert_allclose(found(picture), answer(alone, picture), atol=1e-5)


def test_free_inputs_with_sizes_inside_are_refused(tmp_path):
    file = FloatFile()
    file.graph.tensors[file.picture].shapeSignature = np.array([1, -1, -1, 3], np.int32)
    content = file.content(SPELLINGS["onnx2tf"](file))
    refused(content, tmp_path, "expected sizes that follow the picture's")


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        ((HEIGHT, WIDTH, 3), r"expected an input \(1, H, W, C\), found \[6, 8, 3\]"),
        ((1, HEIGHT, WIDTH, 0), r"expected an input \(1, H, W, C\)"),
    ],
)
def test_inputs_that_are_no_picture(shape, match, tmp_path):
    file = FloatFile(shape)
    refused(file.content(file.same("RELU", file.picture)), tmp_path, match)


def test_two_inputs_are_one_too_many(tmp_path):
    file = FloatFile()
    other = file.tensor("other", (1, HEIGHT, WIDTH, 3), dtype="float32")
    content = file.finished([file.picture, other], [file.same("ADD", file.picture, other)])
    refused(content, tmp_path, r"expected one input and an output, found 2 \(picture, other\)")
    refused(content, tmp_path, "no output that needs other alone", input="other")


def test_of_several_inputs_the_one_that_an_output_needs_alone(tmp_path):
    file = FloatFile()
    other = file.tensor("other", (1, HEIGHT, WIDTH, 3), dtype="float32")
    first = file.larger(file.conv(file.picture, 12))
    second = file.same("ADD", file.larger(file.conv(other, 12)), first)
    content = file.finished([other, file.picture], [second, first])
    found = opened(content, tmp_path)
    assert (found.input, found.output) == (file.picture, first)
    assert found.notes[:2] == (
        "took the input picture of other, picture",
        "took the output out1 of out0, out1",
    )
    for ends in (
        {"input": "picture"},
        {"input": 1, "output": "1"},
        {"input": "in1"},
        {"output": "out1"},
    ):
        assert opened(content, tmp_path, **ends).output == first
    picture = np.random.default_rng(1).random((1, HEIGHT, WIDTH, 3)).astype(np.float32)
    np.testing.assert_allclose(found(picture), found.at(picture.shape)(picture), atol=1e-5)
    refused(content, tmp_path, "no output that needs other alone", input="other")
    refused(content, tmp_path, "expected --input to be one of other, picture", input="lr")


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda t: setattr(t.subgraphs[0].tensors[1], "shape", [12, 3, 3, 4]), "not of the shape"),
        (lambda t: setattr(t.subgraphs[0].tensors[1], "shape", [-12, 3, 3, -3]), "of the shape"),
        (lambda t: setattr(t.buffers[2], "offset", 64), "outside of the file's tables"),
        (lambda t: setattr(t.subgraphs[0].operators[0], "builtinOptions", None), "found strides"),
        (lambda t: setattr(t.subgraphs[0].operators[0], "inputs", [0]), "without|no constant"),
        (lambda t: setattr(t.subgraphs[0].operators[0], "outputs", []), "expected"),
    ],
)
def test_damaged_tables_are_one_line(spoil, match, tmp_path):
    file = FloatFile()
    y = file.larger(file.conv(file.picture, 12))
    file.content(y)
    spoil(file.tables)
    refused(file.packed(), tmp_path, match)


def test_cut_files_are_one_line(tmp_path):
    content = spelled("activations")
    for length in (0, 7, 100, len(content) // 2, len(content) - 40):
        refused(content[:length], tmp_path, "expected a")


def test_damaged_files_are_read_or_refused_in_one_line(tmp_path):
    rng, read = np.random.default_rng(5), 0
    contents = [np.frombuffer(spelled(name), np.uint8) for name in ("channels", "reductions")]
    for count in range(60):
        damaged = contents[count % 2].copy()
        places = rng.integers(len(damaged), size=1 + count % 4)
        damaged[places] = rng.integers(256, size=len(places))
        try:
            opened(damaged.tobytes(), tmp_path).at((1, HEIGHT, WIDTH, 3))
            read += 1
        except NetworkError as error:
            assert "\n" not in str(error) and "expected" in str(error)
    assert 0 < read < 60


def test_a_file_that_litert_does_not_run_says_why(tmp_path):
    file = FloatFile()
    y = file.same("TANH", file.conv(file.picture, 12), version=99)
    found = opened(file.content(file.larger(y)), tmp_path)
    with pytest.raises(CannotRunError, match=r"LiteRT does not run it .*TANH"):
        found(np.zeros((1, HEIGHT, WIDTH, 3)))
