"""Rows of the public leaderboard, and the file that holds them."""

import json
from datetime import datetime, timezone

import pytest

from runtime_bench.android.leaderboard import (
    leaderboard_row,
    read_leaderboard,
    require_rows,
    write_leaderboard,
)
from runtime_bench.android.run import measure_phones, plan_job
from runtime_bench.android.tool import ToolRun
from sr_models.ground.errors import OptionError
from tests.runtime_bench.android import texts
from tests.runtime_bench.android.fakes import PROPERTIES, FakeAdb
from tests.runtime_bench.android.protos import results_pb, runtime_info_pb

NOW = datetime(2026, 9, 18, 2, 48, 29, tzinfo=timezone.utc)
# A row of the board (litert-samples, benchmark/leaderboard/data/board.json at 187fde0349a5).
KEYS = """
row_id model file task model_size_mb platform device_id device os accelerator delegate
nodes_delegated nodes_total partitions latency_ms memory_mb runs warmup_runs throughput_mb_s
source runtime runtime_version binary runner session job status date
"""
LATENCY = "median avg p5 p95 min max stddev init first_inference warm_up_avg"


@pytest.fixture
def measured(files, program):
    """One result: `measured("gpu", help_text=...)`."""

    def measure(
        delegate="gpu", *, flags=texts.LITERT_FLAGS, program=program, write=True, **options
    ):
        def on_run(adb, flags):
            if write:
                taken = {"LITERT_CL": [[1, 2]]}
                adb.files[flags["result_file_path"]] = results_pb()
                adb.files[flags["model_runtime_info_output_file"]] = runtime_info_pb(
                    ["QUANTIZE", "CONV_2D", "ADD"], taken
                )

        job = plan_job([files.clip_free], threads=(4,), tool=program, run=ToolRun(delegate))
        adb = FakeAdb(
            help_text=texts.help_text(flags),
            on_run=on_run,
            properties=PROPERTIES + "[ro.product.device]: [caiman]\n",
        )
        (outcome,) = measure_phones(adb, job)
        assert outcome.error == ""
        return outcome.results[0]

    return measure


def test_a_row_has_the_boards_keys_and_figures(measured, program, tmp_path):
    place = tmp_path / "2.2.0" / "android_arm64" / "benchmark_model"
    place.parent.mkdir(parents=True)
    place.write_bytes(program.read_bytes())
    row = leaderboard_row(measured(program=place), repo="me/xlsr", now=NOW)
    assert list(row) == [*KEYS.split(), "threads"]
    assert list(row["latency_ms"]) == LATENCY.split()
    assert row["row_id"] == "me/xlsr:clip_free.tflite@2.2.0/android/caiman-35/gpu"
    assert (row["device"], row["os"]) == ("Acme Phone 9", "Android 15 (API 35)")
    assert (row["delegate"], row["nodes_delegated"], row["nodes_total"]) == ("LITERT_CL", 2, 3)
    assert (row["partitions"], row["runs"], row["warmup_runs"]) == (2, 50, 3)
    assert row["latency_ms"]["median"] == 72.4 and row["latency_ms"]["init"] == 1.57
    assert row["memory_mb"] == {"init_footprint": 4.0, "overall_footprint": 21.5}
    assert (row["model_size_mb"], row["throughput_mb_s"]) == (0.0547, 12.5)
    assert (row["source"], row["runtime"], row["runner"]) == ("results.pb", "litert", "adb")
    assert row["binary"] == "2.2.0/android_arm64/benchmark_model"
    assert (row["session"], row["job"]) == ("sr-bench-20260918-024829", "gpu-caiman-35")
    assert (row["status"], row["date"], row["threads"]) == ("measured", "2026-09-18", 4)


def test_nnapi_is_kept_off_the_board_and_text_is_called_so(measured):
    found = measured("nnapi", flags=texts.CLASSIC_FLAGS, write=False)
    row = leaderboard_row(found, now=NOW)
    assert row["status"] == "legacy (deprecated in Android 15)"
    assert (row["source"], row["runtime"], row["model"]) == ("log", "tflite", "clip_free")
    assert (row["runtime_version"], row["throughput_mb_s"]) == ("unknown", None)
    assert row["model_size_mb"] == found.model.size_bytes / 1e6
    row = leaderboard_row(measured("gpu", flags=texts.CLASSIC_FLAGS), now=NOW)
    assert row["status"] == "measured with the classic TFLite tool"


def test_a_later_row_takes_the_formers_place(tmp_path):
    path = tmp_path / "rows.jsonl"
    write_leaderboard(path, [{"row_id": "a", "runs": 1}, {"row_id": "b", "runs": 2}])
    write_leaderboard(path, [{"row_id": "a", "runs": float("nan")}, {"row_id": "c"}])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"row_id": "a", "runs": None}, {"row_id": "b", "runs": 2}, {"row_id": "c"}]
    assert read_leaderboard(tmp_path / "none.jsonl") == {}


@pytest.mark.parametrize("text", ["{", "[1]", '{"id": 1}', "7", "[" * 5000, "\udcff"])
def test_a_file_of_something_else_is_kept(text, tmp_path):
    path = tmp_path / "rows.jsonl"
    data = b'{"row_id": "a"}\n' + text.encode("utf-8", errors="surrogateescape")
    path.write_bytes(data)
    with pytest.raises(OptionError, match=r"expected .* name another file"):
        write_leaderboard(path, [{"row_id": "b"}])
    assert path.read_bytes() == data


def test_what_the_board_has_no_place_for_is_refused():
    require_rows("gpu", (4,))
    with pytest.raises(OptionError, match="found none; the board has no rows of builtin"):
        require_rows("none", (1,))
    with pytest.raises(OptionError, match="found 2; the board has one row"):
        require_rows("gpu", (1, 4))
