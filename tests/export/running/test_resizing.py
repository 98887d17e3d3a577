"""Files whose size is held by some operator: they are not run at another one."""

import numpy as np
import pytest

from export.running.interpreters import open_model
from export.tflite.fixed_sizes import size_holders
from sr_models.ground.errors import ModelFileError
from sr_models.tflite.unpacked import unpack
from tests.enlarging_files import enlarging_file
from tests.tiny_files import TinyFile

HEIGHT, WIDTH = 12, 10


def held_file(name, *, then=None):
    """Enlarged twice by an operator that has the size of its output as a constant."""
    file = TinyFile()
    picture = file.tensor("picture", (1, HEIGHT, WIDTH, 3), dtype="float32")
    large = (1, 2 * HEIGHT, 2 * WIDTH, 3)
    result = file.tensor("large", large, dtype="float32")
    if name == "TRANSPOSE_CONV":
        kernel = np.zeros((3, 2, 2, 3), np.float32)
        kernel[range(3), :, :, range(3)] = 1.0
        inputs = [
            file.tensor("size", (4,), dtype="int32", data=large),
            file.tensor("w", kernel.shape, dtype="float32", data=kernel),
            picture,
        ]
        file.operator(name, inputs, [result], version=1, strideW=2, strideH=2)
    else:
        size = file.tensor("size", (2,), dtype="int32", data=large[1:3])
        file.operator(name, [picture, size], [result], version=1)
    if then == "RESHAPE":
        shape = file.tensor("shape", (4,), dtype="int32", data=large)
        source, result = result, file.tensor("shaped", large, dtype="float32")
        file.operator("RESHAPE", [source, shape], [result], version=1)
    return file.finished([picture], [result])


HOLDERS = [
    ("RESIZE_NEAREST_NEIGHBOR", "RESIZE_NEAREST_NEIGHBOR (operator 0) holds 24x20"),
    ("RESIZE_BILINEAR", "RESIZE_BILINEAR (operator 0) holds 24x20"),
    ("TRANSPOSE_CONV", "TRANSPOSE_CONV (operator 0) holds 1x24x20x3"),
]


@pytest.mark.parametrize(("name", "held"), HOLDERS)
@pytest.mark.parametrize("delegate", ["xnnpack", "builtin"])
def test_a_size_that_an_operator_holds_is_named(name, held, delegate):
    content = held_file(name)
    assert open_model(content, delegate=delegate).outputs[0].shape == (1, 24, 20, 3)
    with pytest.raises(ModelFileError) as raised:
        open_model(content, delegate=delegate, height=36, width=30)
    assert held in str(raised.value) and str(raised.value).endswith("export the file at this size")


def test_where_allocation_fails_the_operator_is_named_too():
    content = held_file("RESIZE_BILINEAR", then="RESHAPE")
    holders = size_holders(unpack(content))
    assert [text.split(" ")[0] for text in holders] == ["RESIZE_BILINEAR", "RESHAPE"]
    with pytest.raises(ModelFileError, match="holds 24x20"):
        open_model(content, height=36, width=30)


def test_its_own_size_and_files_that_follow_are_left_alone():
    content = held_file("RESIZE_BILINEAR")
    assert open_model(content, height=HEIGHT, width=WIDTH).outputs[0].shape == (1, 24, 20, 3)
    assert size_holders(unpack(enlarging_file())) == []
    runner = open_model(enlarging_file(channels_first=True), height=9, width=7)
    assert runner.outputs[0].shape == (1, 3, 18, 14)


def test_every_verb_refuses_and_names_the_operator(tmp_path, capsys):
    from PIL import Image

    from runtime_bench.cli import app
    from sr_models.ground.console import status_of_command

    path, other = tmp_path / "held.tflite", tmp_path / "free.tflite"
    path.write_bytes(held_file("RESIZE_BILINEAR"))
    other.write_bytes(enlarging_file(size=(HEIGHT, WIDTH)))
    (tmp_path / "truth").mkdir()
    for name, side in (("truth/t.png", 40), ("in.png", 36)):
        Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(tmp_path / name)
    quick = ("--runs", 1, "--seconds", 0.01, "--warmup", 0)
    for words in (
        ("latency", path, "--size", "36x30", *quick),
        ("compare", other, path, "--size", "36x30", *quick),
        ("quality", path, "--data", tmp_path / "truth"),
    ):
        assert status_of_command(app, words) == 2
        assert "RESIZE_BILINEAR (operator 0) holds 24x20" in capsys.readouterr().err
