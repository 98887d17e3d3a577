import dataclasses
import json

from runtime_bench.evidence.methods_report import (
    TRAINED,
    MethodResult,
    calibration_speedups,
    methods_json,
    speedups_at_equal_quality,
)

ROWS = [
    MethodResult("float", None, None, True, {"Set5": 33.0}),
    MethodResult(
        "minmax",
        8,
        256,
        False,
        {"Set5": 32.9},
        seconds=2.0,
        exported_as="natural",
        exported_db={"Set5": 32.8},
        size_bytes=40_000,
        median_ms=1.5,
    ),
    MethodResult("minmax", 4, 16, False, {"Set5": 30.0}, seconds=4.0),
    MethodResult(TRAINED, 8, 255, True, {"Set5": 32.95}, seconds=300.0),
]


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


def test_training_may_be_held_against_calibration_as_far_as_that_came():
    curve = ((10.0, 1, 28.0), (40.0, 2, 30.0), (90.0, 3, 29.0), (120.0, 4, 31.0))
    trained = dataclasses.replace(ROWS[3], curve=curve)

    def ratio(validation_db):
        row = dataclasses.replace(ROWS[1], validation_db=validation_db)
        return speedups_at_equal_quality([row, trained])

    # Calibrated in 2 seconds; training is first as good after 40, or after 120.
    assert ratio(29.5) == {"minmax@8": 20.0}
    assert ratio(31.0) == {"minmax@8": 60.0}
    assert ratio(31.1) == {"minmax@8": None}, "never as good"
    assert ratio(None) == {}
