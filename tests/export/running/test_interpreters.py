import numpy as np
import pytest

from export.exporting.conversion import convert_float, convert_with_calibrator, convert_with_ranges
from export.running.interpreters import Runner, open_model
from export.running.runtimes import DELEGATES, Runtime, find_runtime
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.tflite.files import read_model
from tests.networks import sharpening_network


@pytest.fixture(scope="module")
def contents(sharpening, natural):
    """Content by interface type, 24x24 pixels, and a uint8 file of another size."""
    ranges = pin_pixels(observe_ranges(sharpening, natural), sharpening)
    sample = natural.pictures[0]
    made = {
        io: convert_with_ranges(sharpening, ranges, sample=sample, height=24, width=24, io=io)
        for io in ("uint8", "int8", "float32")
    }
    made["10x17"] = convert_with_ranges(sharpening, ranges, sample=sample, height=10, width=17)
    made["clipped"] = convert_with_calibrator(
        sharpening_network(tail="clip"), natural, height=24, width=24
    )
    made["float"] = convert_float(sharpening, height=24, width=24)
    return made


@pytest.fixture(scope="module")
def two_inputs():
    """The content of a float file that adds two pictures."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, 4, 4, 3), tf.float32)] * 2)
    def add(first, second):
        return first + second

    function = add.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([function], add).convert()


@pytest.fixture(scope="module")
def flat():
    """The content of a float file whose input is no picture."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, 6), tf.float32)])
    def double(values):
        return values * 2.0

    function = double.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([function], double).convert()


def fed(dtype, pixels):
    """uint8 pixels as a file of this interface takes them."""
    if dtype == "uint8":
        return pixels
    if dtype == "int8":
        return (pixels.astype(np.int16) - 128).astype(np.int8)
    return (pixels / np.float32(255)).astype(np.float32)


@pytest.mark.parametrize(
    ("io", "scale", "zero_point"), [("uint8", 1 / 255, 0), ("int8", 1 / 255, -128)]
)
def test_tensors_are_described(io, scale, zero_point, contents):
    runner = open_model(contents[io])
    (source,), (target,) = runner.inputs, runner.outputs
    assert (source.shape, target.shape) == ((1, 24, 24, 3), (1, 48, 48, 3))
    assert source.dtype == target.dtype == io
    assert source.scale == target.scale == pytest.approx(scale)
    assert source.zero_point == target.zero_point == zero_point
    assert set(source.to_json()) == {"name", "shape", "dtype", "scale", "zero_point"}
    assert source.to_json()["shape"] == [1, 24, 24, 3]


def test_a_float_tensor_has_no_scale(contents):
    tensor = open_model(contents["float"]).inputs[0]
    assert (tensor.dtype, tensor.scale, tensor.zero_point) == ("float32", None, None)


@pytest.mark.parametrize("delegate", DELEGATES)
@pytest.mark.parametrize("io", ["uint8", "int8", "float32", "float"])
def test_every_interface_runs_on_every_delegate(io, delegate, contents, sharpening, natural):
    picture = natural.pictures[1][None]
    runner = open_model(contents[io], delegate=delegate)
    output = runner.run(fed(runner.inputs[0].dtype, picture))
    assert output.dtype == np.dtype(runner.outputs[0].dtype)
    values = output.astype(np.float64)
    if runner.outputs[0].scale is not None:
        values = (values - runner.outputs[0].zero_point) * runner.outputs[0].scale
    expected = sharpening(picture / np.float32(255)).numpy()
    expected = expected if io == "float" else expected.clip(0, 1)
    assert np.abs(values - expected).max() <= (1e-4 if io == "float" else 2.5 / 255)


@pytest.mark.parametrize("name", ["uint8", "int8", "clipped"])
def test_delegates_agree_within_a_few_codes(name, contents, natural):
    xnnpack, builtin, reference = (
        (runner := open_model(contents[name], delegate=delegate))
        .run(fed(runner.inputs[0].dtype, natural.pictures[2][None]))
        .astype(int)
        for delegate in DELEGATES
    )
    assert np.abs(xnnpack - reference).max() <= 2
    assert np.abs(builtin - reference).max() <= 2


@pytest.mark.parametrize("delegate", ["builtin", "reference"])
def test_a_resized_file_computes_what_a_file_of_that_size_computes(delegate, contents, photographs):
    picture = photographs["chelsea"][None, 90:100, 130:147]
    resized = open_model(contents["uint8"], delegate=delegate, height=10, width=17)
    assert resized.outputs[0].shape == (1, 20, 34, 3)
    exported = open_model(contents["10x17"], delegate=delegate)
    np.testing.assert_array_equal(resized.run(picture), exported.run(picture))


def test_a_file_can_be_resized_back_and_forth(contents, natural):
    picture = natural.pictures[0][None]
    runner = open_model(contents["uint8"], delegate="builtin")
    before = runner.run(picture)
    runner.resize(3, 50)
    assert runner.run(np.zeros((1, 3, 50, 3), np.uint8)).shape == (1, 6, 100, 3)
    runner.resize(24, 24)
    np.testing.assert_array_equal(runner.run(picture), before)


def test_more_threads_compute_the_same(contents, natural):
    first, second = (
        open_model(contents["int8"], threads=threads).run(fed("int8", natural.pictures[0][None]))
        for threads in (1, 2)
    )
    np.testing.assert_array_equal(first, second)


def test_the_output_is_a_copy(contents, natural):
    runner = open_model(contents["uint8"])
    first = runner.run(natural.pictures[0][None])
    kept = first.copy()
    runner.run(natural.pictures[1][None])
    np.testing.assert_array_equal(first, kept)


def test_a_path_and_a_read_file_are_opened_alike(contents, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(contents["uint8"])
    for source in (path, str(path), read_model(path)):
        assert open_model(source).model.name == str(path)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((1, 24, 23, 3), np.uint8),
        np.zeros((24, 24, 3), np.uint8),
        np.zeros((1, 24, 24, 3), np.int8),
        np.zeros((1, 24, 24, 3), np.float64),
        np.zeros((), np.uint8),
    ],
    ids=["size", "rank", "sign", "float", "scalar"],
)
def test_another_input_is_refused_in_one_line(array, contents):
    runner = open_model(contents["uint8"])
    with pytest.raises(ModelFileError, match=r"expected input of \(1, 24, 24, 3\) uint8") as caught:
        runner.set_inputs(array)
    assert "\n" not in str(caught.value)
    assert f"found {array.shape} {array.dtype}" in str(caught.value)


def test_a_file_with_two_inputs_takes_no_picture(two_inputs):
    picture = np.ones((1, 4, 4, 3), np.float32)
    runner = open_model(two_inputs)
    with pytest.raises(ModelFileError, match=r"expected a file with 1 input.s., found 2"):
        runner.run(picture)
    with pytest.raises(ModelFileError, match="expected one input"):
        runner.resize(8, 8)
    runner.set_inputs(picture, picture)
    runner.invoke()
    assert (runner.output() == 2.0).all()


def test_a_file_that_takes_no_picture(flat):
    runner = open_model(flat)
    with pytest.raises(ModelFileError, match=r"expected one input \(N, H, W, C\)"):
        runner.resize(8, 8)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delegate": "gpu"}, "xnnpack, builtin, reference"),
        ({"threads": 0}, "threads"),
        ({"height": 8}, "only one of them"),
        ({"width": 8}, "only one of them"),
        ({"height": 0, "width": 8}, "as height, found 0"),
        ({"height": 8, "width": -1}, "as width, found -1"),
        ({"height": 10**6, "width": 10**6}, "megapixels"),
    ],
)
def test_unusable_options_are_refused(options, said, contents):
    with pytest.raises(OptionError, match=said):
        open_model(contents["uint8"], **options)


def test_truncated_files_never_leak_another_exception(contents):
    content = contents["uint8"]
    for length in range(8, len(content), max(1, len(content) // 30)):
        with pytest.raises(ModelFileError, match="expected to open") as caught:
            open_model(content[:length])
        assert "\n" not in str(caught.value)


def test_a_file_of_marks_alone_is_refused():
    with pytest.raises(ModelFileError, match="expected to open"):
        open_model(b"\x1c\0\0\0TFL3" + b"\xff" * 64)


class FailingInterpreter:
    """Fails at one step, as the native interpreter does: several lines and a full stop."""

    step = "invoke"

    def __init__(self, **options):
        self._fail("open")

    def _fail(self, step):
        if step == self.step:
            raise RuntimeError(f"cannot {step}.\nNode number 3 failed.")

    def allocate_tensors(self):
        self._fail("allocate")

    def invoke(self):
        self._fail("invoke")


@pytest.mark.parametrize(
    ("step", "doing"), [("open", "open"), ("allocate", "prepare"), ("invoke", "run")]
)
def test_what_the_interpreter_says_is_put_in_one_line(step, doing, contents):
    failing = type("Failing", (FailingInterpreter,), {"step": step})
    runtime = Runtime("fake", "1.0", failing, find_runtime().resolvers)
    with pytest.raises(ModelFileError) as caught:
        open_model(contents["uint8"], runtime=runtime).invoke()
    assert str(caught.value) == (
        f"expected to {doing} <bytes> (fake 1.0, xnnpack), found: cannot {step}; "
        "export it again, or take another delegate"
    )


def test_an_interpreter_that_does_not_list_its_operators(contents):
    runtime = Runtime("fake", "1.0", FailingInterpreter, find_runtime().resolvers)
    runner = Runner(read_model(contents["uint8"]), runtime, delegate="xnnpack", threads=1)
    assert runner.delegation is None


def test_files_of_any_size_say_so(contents):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), tf.float32)])
    def twice(picture):
        return 2.0 * picture

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [twice.get_concrete_function()], twice
    )
    runner = open_model(converter.convert())
    assert runner.any_size and runner.inputs[0].shape == (1, 1, 1, 3)
    runner.resize(5, 6)
    assert runner.any_size and not open_model(contents["uint8"]).any_size


def test_every_tensor_has_its_shape_at_the_present_size(contents):
    runner = open_model(contents["uint8"], delegate="builtin", height=6, width=10)
    shapes = runner.tensor_shapes
    assert shapes[0] == runner.inputs[0].shape == (1, 6, 10, 3)
    assert runner.outputs[0].shape in shapes and len(shapes) > 4
