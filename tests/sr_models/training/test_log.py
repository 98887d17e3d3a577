import json
import math
from pathlib import Path

import pytest
import tensorflow as tf

from sr_models.ground.errors import OutputError
from sr_models.training.log import PATIENCE, TrainingLog, TrainingResult


def test_an_entry_is_a_line_and_scalars_of_tensorboard(tmp_path):
    log = TrainingLog(tmp_path)
    assert math.isnan(log.last_loss())
    log.write(10, loss=0.5, validation_psnr_db=25.0)
    log.write(20, loss=0.25, validation_psnr_db=26.0)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [
        {"step": 10, "loss": 0.5, "validation_psnr_db": 25.0},
        {"step": 20, "loss": 0.25, "validation_psnr_db": 26.0},
    ]
    assert log.last_loss() == 0.25
    (events,) = (tmp_path / "tensorboard").iterdir()
    scalars = [
        (event.step, value.tag, float(tf.make_ndarray(value.tensor)), value.metadata.plugin_data)
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    ]
    assert [scalar[:3] for scalar in scalars] == [
        (10, "loss", 0.5),
        (10, "validation_psnr_db", 25.0),
        (20, "loss", 0.25),
        (20, "validation_psnr_db", 26.0),
    ]
    assert {scalar[3].plugin_name for scalar in scalars} == {"scalars"}


def test_a_run_that_logs_nothing_leaves_no_files(tmp_path):
    TrainingLog(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_damaged_log_has_no_last_loss(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "lo')
    assert math.isnan(TrainingLog(tmp_path).last_loss())


def test_a_log_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"log.jsonl"):
        TrainingLog(tmp_path).write(1, loss=0.5)


def result(stopped_by):
    return TrainingResult(
        weights=Path("best.weights.h5"),
        best_step=4,
        validation_psnr_db=25.0,
        steps=6,
        loss=0.5,
        seconds=1.0,
        stopped_by=stopped_by,
    )


@pytest.mark.parametrize(
    ("stopped_by", "interrupted"), [(None, False), (PATIENCE, False), ("SIGTERM", True)]
)
def test_only_an_interrupted_run_shall_go_on(stopped_by, interrupted):
    assert result(stopped_by).was_interrupted is interrupted


def test_plain_data():
    data = json.loads(json.dumps(result(None).to_json()))
    assert (data["weights"], data["best_step"], data["stopped_by"]) == ("best.weights.h5", 4, None)
