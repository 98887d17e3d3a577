import numpy as np
import pytest
import tensorflow as tf

from sr_models.ground.errors import OutputError, TrainingError
from sr_models.training.state import CheckpointFolder


def folder_of(path, value=0.0, shape=(2,)):
    variable = tf.Variable(np.full(shape, value, np.float32))
    return CheckpointFolder(path / "checkpoints", numbers=variable), variable


def test_the_last_two_are_kept_and_the_newest_is_found(tmp_path):
    folder, variable = folder_of(tmp_path)
    assert folder.newest() is None
    for step in (5, 10, 15):
        variable.assign([step, -step])
        folder.save(step)
    assert sorted(path.name for path in (tmp_path / "checkpoints").glob("*.index")) == [
        "ckpt-10.index",
        "ckpt-15.index",
    ]
    again, restored = folder_of(tmp_path)
    assert again.newest().name == "ckpt-15"
    again.restore(again.newest())
    np.testing.assert_array_equal(restored.numpy(), [15.0, -15.0])


def test_newest_means_number_and_not_name(tmp_path):
    folder, _ = folder_of(tmp_path)
    for step in (9, 10):
        folder.save(step)
    assert folder.newest().name == "ckpt-10"


@pytest.mark.parametrize("content", [b"", b"\x00\xff no list"], ids=["empty", "garbage"])
def test_a_damaged_list_is_made_anew(content, tmp_path):
    folder_of(tmp_path, 3.0)[0].save(7)
    (tmp_path / "checkpoints" / "checkpoint").write_bytes(content)
    again, restored = folder_of(tmp_path)
    again.restore(again.newest())
    np.testing.assert_array_equal(restored.numpy(), [3.0, 3.0])


def test_another_shape_is_a_damaged_checkpoint(tmp_path):
    folder_of(tmp_path)[0].save(7)
    again, _ = folder_of(tmp_path, shape=(3,))
    with pytest.raises(TrainingError, match=r"damaged one: .*ckpt-7 \(.*delete .*ckpt-7"):
        again.restore(again.newest())


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "checkpoints").write_text("a file in its place")
    folder, _ = folder_of(tmp_path)
    with pytest.raises(OutputError, match="expected to write a checkpoint"):
        folder.save(1)
