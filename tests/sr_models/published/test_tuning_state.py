import numpy as np
import pytest

from sr_models.ground.errors import OutputError, TrainingError
from sr_models.published.tuning import TuningState, load_state, save_state

VALUES = {"weights/0": np.float32([1.0, 2.0]), "bounds/0": np.float32(0.5)}
STATE = TuningState(
    7,
    VALUES,
    {"weights/0": np.float32([0.1, 0.2])},
    {},
    {"weights": np.array(3.0)},
    VALUES,
    0.25,
    4,
    (0.5, 0.25),
)
RUN = {"seed": 1, "rate": 1e-3, "student": {"bits": 4}}


def test_a_state_comes_back_as_it_was(tmp_path):
    save_state(STATE, tmp_path / "state.npz", run=RUN)
    found = load_state(tmp_path / "state.npz", run=RUN)
    assert (found.step, found.best_loss, found.best_step) == (7, 0.25, 4)
    assert found.held_losses == (0.5, 0.25)
    for kind in ("values", "first_moments", "second_moments", "counts", "best"):
        assert getattr(found, kind).keys() == getattr(STATE, kind).keys()
        for name, array in getattr(STATE, kind).items():
            np.testing.assert_array_equal(getattr(found, kind)[name], array)


def test_the_state_of_another_run_is_refused_by_what_differs(tmp_path):
    save_state(STATE, tmp_path / "state.npz", run=RUN)
    other = {**RUN, "student": {"bits": 6}, "rate": 1e-2}
    with pytest.raises(TrainingError, match=r"found another rate, student; give the same"):
        load_state(tmp_path / "state.npz", run=other)


@pytest.mark.parametrize("cut", [0, 10, 200, -1])
def test_a_damaged_state_is_refused(tmp_path, cut):
    path = tmp_path / "state.npz"
    save_state(STATE, path, run=RUN)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(TrainingError, match="expected the state of an optimisation, found a dam"):
        load_state(path, run=RUN)


def test_a_place_that_cannot_be_written_keeps_the_old_state(tmp_path):
    path = tmp_path / "state.npz"
    save_state(STATE, path, run=RUN)
    with pytest.raises(OutputError):
        save_state(STATE, path / "below.npz", run=RUN)
    assert load_state(path, run=RUN).step == 7
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]
