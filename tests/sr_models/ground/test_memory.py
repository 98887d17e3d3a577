import numpy as np
import pytest
import tensorflow as tf

from sr_models.ground.console import status_of
from sr_models.ground.errors import OptionError, ResourceError
from sr_models.ground.memory import (
    budget_bytes,
    choose_budget,
    free_bytes,
    is_shortage,
    memory_budget,
    parse_budget,
    room_for,
)

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GiB", 4 * GIB), ("1.5 g", 1.5 * GIB), ("500MB", 500 << 20), ("2000000000", 2_000_000_000)],
)
def test_a_budget_is_read(text, size):
    assert parse_budget(text) == size


@pytest.mark.parametrize("text", ["", "much", "-4GiB", "63MiB", "4 GiB of it", "1000"])
def test_what_is_no_budget_is_said(text):
    with pytest.raises(OptionError, match=r"a memory budget of 64 MiB or more, found '.*4GiB"):
        parse_budget(text)


def machine(tmp_path, *, available="8388608 kB", group="", files=None):
    for name, text in {
        "proc/meminfo": f"MemTotal: 1 kB\nMemAvailable:   {available}\n",
        "proc/self/cgroup": group,
        **(files or {}),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_free_is_what_the_machine_says_without_a_group(tmp_path):
    assert free_bytes(machine(tmp_path)) == 8 * GIB
    assert free_bytes(machine(tmp_path, available="?")) == 2 * GIB, "unknown"


def test_the_least_limit_of_the_groups_around_counts(tmp_path):
    """Version 2: 3 GiB allowed to the parent, 2 of them taken, one of these by caches."""
    files = {
        "sys/fs/cgroup/a/b/memory.max": "max",
        "sys/fs/cgroup/a/b/memory.current": "5",
        "sys/fs/cgroup/a/memory.max": str(3 * GIB),
        "sys/fs/cgroup/a/memory.current": str(2 * GIB),
        "sys/fs/cgroup/a/memory.stat": f"anon 1\ninactive_file {GIB}\n",
    }
    assert free_bytes(machine(tmp_path, group="0::/a/b\n", files=files)) == 2 * GIB


def test_limits_of_the_older_groups_count(tmp_path):
    files = {
        "sys/fs/cgroup/memory/a/memory.limit_in_bytes": str(4 * GIB),
        "sys/fs/cgroup/memory/a/memory.usage_in_bytes": str(5 * GIB),
    }
    group = "5:cpu:/a\n4:memory:/a\n"
    assert free_bytes(machine(tmp_path, group=group, files=files)) == 0


def test_half_of_what_is_free_is_taken_unless_told(monkeypatch):
    monkeypatch.setattr("sr_models.ground.memory.free_bytes", lambda: 10 * GIB)
    assert budget_bytes() == 5 * GIB
    with memory_budget("1GiB"):
        assert budget_bytes() == GIB
        with memory_budget(GIB // 2):
            assert budget_bytes() == GIB // 2
    assert budget_bytes() == 5 * GIB
    assert choose_budget("2GiB") == "2GiB" and budget_bytes() == 2 * GIB
    assert choose_budget(None) is None and budget_bytes() == 5 * GIB


def tensorflow_s():
    """As TensorFlow says it of a tensor that no machine holds."""
    return tf.errors.ResourceExhaustedError(
        None, None, "OOM when allocating tensor with shape[16,768,768,432] and type float on /cpu"
    )


def numpy_s():
    return np._core._exceptions._ArrayMemoryError((1 << 40,), np.dtype(np.float64))


SHORTAGES = [tensorflow_s, numpy_s, MemoryError]


@pytest.mark.parametrize("make", SHORTAGES)
def test_a_shortage_is_one_line_that_says_what_to_lower(make, capsys):
    with (
        pytest.raises(ResourceError, match=r"memory for training, found .*; lower --batch"),
        room_for("training", lower="--batch"),
    ):
        raise make()

    def work():
        raise make()

    assert status_of(work) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: expected memory for the work, found") and said.count("\n") == 1
    assert "--memory-budget" in said


def test_how_much_was_asked_for_is_said():
    with (
        pytest.raises(ResourceError, match=r"no room for a tensor of float \[16,768,768,432\]"),
        room_for("training", lower="--batch"),
    ):
        raise tensorflow_s()


def test_a_tensor_that_no_machine_holds_is_a_shortage():
    with pytest.raises(Exception) as caught:
        tf.zeros((1 << 12, 1 << 12, 1 << 12, 1 << 4))
    assert is_shortage(caught.value), type(caught.value)


def test_other_errors_stay_what_they_are():
    for error in (ValueError("out of memory"), tf.errors.InvalidArgumentError(None, None, "shape")):
        assert not is_shortage(error)
        with pytest.raises(type(error)), room_for("training", lower="--batch"):
            raise error
