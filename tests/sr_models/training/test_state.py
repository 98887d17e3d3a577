import numpy as np
import pytest
import tensorflow as tf

from sr_models.ground.errors import OutputError, TrainingError
from sr_models.training.state import CheckpointFolder, WeightAverages, decay_at


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


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how == "cut":
        content = content[: len(content) // 2]
    elif how == "empty":
        content = b""
    else:
        middle = len(content) // 2
        content[middle : middle + 40] = bytes(255 - byte for byte in content[middle : middle + 40])
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("how", ["cut", "empty", "changed"])
@pytest.mark.parametrize("suffix", ["index", "data-00000-of-00001"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_remains(suffix, how, tmp_path):
    folder, variable = folder_of(tmp_path, 35.0, shape=(30, 30))
    folder.save(35)
    variable.assign(tf.fill((30, 30), 40.0))
    folder.save(40)
    again, _ = folder_of(tmp_path, shape=(30, 30))
    newest = again.newest()
    assert newest.name == "ckpt-40"
    damage(newest.with_name(f"ckpt-40.{suffix}"), how)
    with pytest.raises(TrainingError, match=r"damaged one: .*ckpt-40 \(.*delete") as error:
        again.restore(newest)
    assert "\n" not in str(error.value)
    for path in newest.parent.glob("ckpt-40.*"):
        path.unlink()
    anew, restored = folder_of(tmp_path, shape=(30, 30))
    anew.restore(anew.newest())
    np.testing.assert_array_equal(restored.numpy(), 35.0)


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


@pytest.fixture
def weights():
    return [tf.Variable([1.0, 2.0]), tf.Variable(3.0)]


def numbers(variables):
    return [variable.numpy().tolist() for variable in variables]


def test_the_decay_grows_to_its_limit():
    decays = [float(decay_at(step, limit=0.5)) for step in range(12)]
    assert decays[:3] == pytest.approx([1 / 10, 2 / 11, 3 / 12])
    assert decays[7] < decays[8] == decays[11] == 0.5  # 9/18


def test_averages_begin_as_the_weights_and_again_on_request(weights):
    averages = WeightAverages(weights)
    assert numbers(averages.values) == [[1.0, 2.0], 3.0]
    weights[1].assign(7.0)
    assert numbers(averages.values) == [[1.0, 2.0], 3.0]
    averages.start()
    assert numbers(averages.values) == [[1.0, 2.0], 7.0]


def test_they_move_towards_the_weights(weights):
    averages = WeightAverages(weights)
    weights[0].assign([5.0, 2.0])
    averages.follow(tf.distribute.get_strategy(), decay=0.75)
    assert numbers(averages.values) == [[2.0, 2.0], 3.0]
    assert numbers(weights) == [[5.0, 2.0], 3.0]


def test_in_place_of_the_weights_they_stand_for_a_while_only(weights):
    averages = WeightAverages(weights)
    weights[1].assign(9.0)
    with pytest.raises(RuntimeError), averages.in_place():
        assert numbers(weights) == [[1.0, 2.0], 3.0]
        raise RuntimeError
    np.testing.assert_array_equal(weights[1], 9.0)
