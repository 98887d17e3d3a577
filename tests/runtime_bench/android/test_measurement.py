import pytest

from runtime_bench.android.run import measure_phones, plan_job
from runtime_bench.android.tool import ToolRun
from runtime_bench.pages.results import kind_of_results
from tests.runtime_bench.android import texts
from tests.runtime_bench.android.fakes import FakeAdb
from tests.runtime_bench.measuring.test_latency import AGREED_KEYS


@pytest.fixture
def measured(files, program):
    def make(**options):
        job = plan_job([files.clip_free], threads=(4,), run=ToolRun(), tool=program, cpus="f0")
        return measure_phones(FakeAdb(**options), job)[0].results[0]

    return make


def test_rows_have_the_keys_of_the_desktop_and_those_of_the_phone(measured, files):
    row = measured().to_json()
    assert set(row) >= AGREED_KEYS
    assert kind_of_results({"results": [row]}) == "android"
    assert (row["median_ms"], row["p5_ms"], row["p95_ms"]) == pytest.approx((71.951, 71.18, 75.61))
    assert (row["first_ms"], row["init_ms"]) == pytest.approx((83.45, 3.21))
    assert (row["delegated_nodes"], row["total_nodes"], row["partitions"]) == (12, 14, 2)
    assert (row["phone"], row["soc"], row["android"]) == ("Acme Phone 9", "Google Tensor G4", "15")
    assert (row["abi"], row["serial"], row["cpus"]) == ("arm64-v8a", "P1", "f0")
    assert row["input_shape"] == [1, 24, 24, 3]
    assert row["thermal_before"] == {"state": "none", "battery_c": 29.1}
    assert row["runtime"] == "the classic TFLite tool, Android 15"
    assert row["size_bytes"] == files.clip_free.stat().st_size


def test_what_old_programs_do_not_tell_is_null(measured):
    row = measured(tool=(texts.OLD, 0)).to_json()
    assert row["median_ms"] is None and row["mean_ms"] == pytest.approx(1060.66)
    assert row["placement"] == "unknown"
