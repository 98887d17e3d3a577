import json
from pathlib import Path

import pytest

from sr_models.training.log import PATIENCE, TrainingResult


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
