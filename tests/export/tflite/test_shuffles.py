import numpy as np
import pytest

from export.running.interpreters import open_model
from export.tflite.shuffle_forms import SHUFFLES
from export.tflite.shuffles import OPERATORS, replace_shuffles
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.quantization.grids import Grid
from sr_models.tflite.flatbuffer import read_graph
from tests.tiny_files import TinyFile

OTHERS = SHUFFLES[1:]
GRIDS = (Grid("int8", 1 / 255, -128), Grid("int8", 0.0173, -37), Grid("int8", 3.1, 127))


def shuffling(grid, *, block=3, channels=3, height=8, width=8, target=None) -> bytes:
    """A file that does nothing but take pixels out of channels."""
    file = TinyFile()
    depth = channels * block**2
    source = file.tensor("picture", (1, height, width, depth), grid=grid)
    made = (1, height * block, width * block, channels)
    result = file.tensor("larger", made, grid=target or grid)
    file.operator("DEPTH_TO_SPACE", [source], [result], blockSize=block)
    return file.finished([source], [result])


@pytest.mark.parametrize("shuffle", OTHERS)
@pytest.mark.parametrize("block", [2, 3, 4])
def test_every_code_of_every_channel_is_copied_by_every_kernel_path(shuffle, block):
    for grid, channels in zip(GRIDS, (3, 1, 4)):
        content = shuffling(grid, block=block, channels=channels, height=16, width=16)
        # Every one of the 256 codes in every channel, in another place of each.
        places = np.random.default_rng(block).permuted(
            np.tile(np.arange(-128, 128), (channels * block**2, 1)), axis=1
        )
        codes = places.T.reshape(1, 16, 16, -1).astype(np.int8)
        rows = codes.reshape(16, 16, block, block, channels).transpose(0, 2, 1, 3, 4)
        expected = rows.reshape(1, 16 * block, 16 * block, channels)
        made = replace_shuffles(content, shuffle)
        assert {op.name for op in read_graph(made).operators} == set(OPERATORS[shuffle])
        for delegate in ("xnnpack", "builtin", "reference"):
            np.testing.assert_array_equal(open_model(made, delegate=delegate).run(codes), expected)


def test_a_network_keeps_its_codes_and_everything_else(small_file):
    file = small_file("xlsr", "relu")
    expected = file.codes("xnnpack")
    for shuffle in OTHERS:
        made = replace_shuffles(file.content, shuffle)
        graph, old = read_graph(made), read_graph(file.content)
        assert "DEPTH_TO_SPACE" not in {op.name for op in graph.operators}
        assert [graph.tensors[i] for i in (*graph.inputs, *graph.outputs)] == [
            old.tensors[i] for i in (*old.inputs, *old.outputs)
        ]
        runner = open_model(made)
        found = np.stack([runner.run(picture[None])[0] for picture in file.pictures])
        np.testing.assert_array_equal(found, expected)
    assert replace_shuffles(file.content, "depth_to_space") == file.content


def test_what_cannot_be_replaced_is_said():
    pixels = GRIDS[0]
    with pytest.raises(ModelFileError, match="int8 codes of one grid, found uint8 to uint8"):
        replace_shuffles(shuffling(Grid("uint8", 1 / 255, 0)), "transpose_conv")
    with pytest.raises(ModelFileError, match="leave its DEPTH_TO_SPACE"):
        replace_shuffles(shuffling(pixels, target=GRIDS[1]), "resize_mask")
    file = TinyFile()
    source = file.tensor("picture", (1, 4, 4, 4), grid=pixels)
    result = file.depth_to_space(source)
    file.graph.tensors[source].shapeSignature = np.array([1, -1, -1, 4], np.int32)
    with pytest.raises(ModelFileError, match="expected a file of a fixed size, found any size"):
        replace_shuffles(file.finished([source], [result]), "transpose_conv")
    with pytest.raises(OptionError, match="found 'magic'"):
        replace_shuffles(shuffling(pixels), "magic")
