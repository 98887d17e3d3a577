import dataclasses
import json

import pytest

from export.settings import ExportSettings
from runtime_bench import methods_table
from runtime_bench.latency import Plan
from runtime_bench.methods_table import (
    TRAINED,
    Calibration,
    MethodResult,
    MethodsTable,
    Training,
    calibration_speedups,
    measure_methods,
    methods_json,
)
from runtime_bench.quality import Dataset
from sr_models.errors import OptionError, PictureError, UnknownModelError, WeightsError

ROWS = [
    MethodResult("float", None, None, True, {"Set5": 33.0}),
    MethodResult("minmax", 8, 256, False, {"Set5": 32.9}, seconds=2.0, exported_as="natural",
                 exported_db={"Set5": 32.8}, size_bytes=40_000, median_ms=1.5),
    MethodResult("minmax", 4, 16, False, {"Set5": 30.0}, seconds=4.0),
    MethodResult(TRAINED, 8, 255, True, {"Set5": 32.95}, seconds=300.0),
]  # fmt: skip


def test_training_is_held_against_calibration_of_the_same_width():
    assert calibration_speedups(ROWS) == {"minmax@8": 150.0}
    assert calibration_speedups(ROWS[:3]) == {}
    unknown = [*ROWS[:3], dataclasses.replace(ROWS[3], seconds=None)]
    assert calibration_speedups(unknown) == {}


def test_the_table_is_plain_data():
    data = json.loads(json.dumps(methods_json("xlsr_x3", ROWS, scale=3)))
    assert data["results"][1]["exported_db"] == {"Set5": 32.8}
    assert data["results"][2]["exported_as"] is None
    assert data["training_over_calibration"] == {"minmax@8": 150.0}
    assert "antialiased bicubic" in data["protocol"]


@pytest.fixture
def dataset(picture_folder):
    return Dataset("crops", tuple(sorted(picture_folder.iterdir())[:1]))


SMALL = Calibration(patches=4, side=24)


@pytest.mark.slow
def test_methods_are_simulated_exported_timed_and_trained(dataset, picture_folder):
    calibration = dataclasses.replace(SMALL, images=picture_folder)
    quick = {"steps": 2, "batch_size": 1, "patch_size": 12, "validation_interval": 1}
    stages = []
    rows = measure_methods(
        "abpn_x3", bits=[8], datasets=[dataset], methods=["minmax", "pams"],
        calibration=calibration, training=Training(picture_folder, quick),
        settings=ExportSettings(height=16, width=24, pictures=4, tile_side=24),
        plan=Plan(runs=5), on_stage=stages.append,
    )  # fmt: skip
    assert [row.method for row in rows] == ["float", "minmax", "pams", TRAINED]
    whole = rows[0].simulated_db["crops"]
    for row in rows[1:]:
        assert row.seconds > 0.0
        assert row.simulated_db["crops"] < whole + 0.2
        # A file is made of what has one: PAMS once it is trained.
        has_file = row.method != "pams"
        assert (row.exported_db is not None) == has_file, row
        assert (row.median_ms is not None) == (row.size_bytes is not None) == has_file
    # The file of a trained PAMS is its simulation, but for biases and codes on edges.
    trained = rows[-1]
    assert trained.exported_db["crops"] == pytest.approx(trained.simulated_db["crops"], abs=0.1)
    assert [step for _, step, _ in trained.curve] == [1, 2]
    assert set(calibration_speedups(rows)) == {"minmax@8", "pams@8"}
    assert any("training pams at 8 bits, 2 steps" in stage for stage in stages)


@pytest.mark.slow
def test_narrower_is_a_simulation_and_worse(dataset):
    rows = measure_methods(
        "abpn_x3", bits=[4, 6], datasets=[dataset], methods=["minmax"], calibration=SMALL
    )
    assert rows[1].simulated_db["crops"] < rows[2].simulated_db["crops"]
    assert [(row.exported_as, row.exported_db, row.median_ms) for row in rows] == 3 * [
        (None, None, None)
    ]


def test_what_is_wrong_is_said_before_the_work(dataset, monkeypatch, tmp_path):
    monkeypatch.setattr(methods_table, "load_model", lambda *_, **__: pytest.fail("worked"))
    with pytest.raises(OptionError, match="found 'magic'"):
        measure_methods("xlsr_x3", bits=[8], datasets=[dataset], methods=["magic"])
    with pytest.raises(UnknownModelError, match="found 'xlsr_x9'"):
        measure_methods("xlsr_x9", bits=[8], datasets=[dataset])
    with pytest.raises(WeightsError, match="expected alphas beside the weights"):
        measure_methods(
            "xlsr_x3", bits=[8], datasets=[dataset], learned=[tmp_path / "a.weights.h5"]
        )


def test_an_empty_folder_of_calibration_pictures_is_said(dataset, tmp_path):
    with pytest.raises(PictureError):
        MethodsTable("xlsr_x3", datasets=[dataset], calibration=Calibration(images=tmp_path))
