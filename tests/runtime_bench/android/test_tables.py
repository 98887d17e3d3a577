import pytest

from runtime_bench.android.run import measure_phones, plan_job
from runtime_bench.android.tables import SCHEDULING, phone_protocol_lines, print_phones
from runtime_bench.android.tool import ToolRun
from tests.runtime_bench.android import texts
from tests.runtime_bench.android.fakes import FakeAdb


@pytest.fixture
def measured(files, program):
    def make(text, profile="", **options):
        adb = FakeAdb(tool=(text, 0))
        adb.state["profile"] = profile
        run = ToolRun(profile=bool(profile), **options)
        return measure_phones(
            adb, plan_job([files.clip_free], threads=(1,), run=run, tool=program)
        )[0].results

    return make


def test_a_fall_back_is_seen_in_the_table(measured, capsys):
    print_phones(measured(texts.FALLBACK, delegate="nnapi"))
    out = capsys.readouterr().out
    assert "fell back to CPU, 0/14 nodes" in out
    assert "nnapi: legacy (deprecated in Android 15)" in out
    assert "Acme Phone 9" in out and "21.1" in out and "clip_free.tflite" in out


def test_operators_on_the_cpu_are_named(measured, capsys):
    print_phones(measured(texts.NNAPI_PARTLY, texts.PROFILE_CSV, delegate="nnapi"))
    out = capsys.readouterr().out
    assert "partially, 11/14 nodes in 1; on the CPU: QUANTIZE" in out
    assert "TfLiteNnapiDelegate" in out and "serving_default_input:0" in out


def test_tables_fit_on_a_terminal(measured, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    print_phones(measured(texts.NNAPI_PARTLY, texts.PROFILE_CSV, delegate="nnapi"))
    lines = capsys.readouterr().out.splitlines()
    # One line for the times, one or more for the words beside them.
    assert lines[0].strip() == "Latency on phones, ms: Acme Phone 9"
    assert sum("clip_free.tflite" in line for line in lines[:12]) == 2


def test_two_phones_of_one_name_are_told_apart(files, program, capsys):
    job = plan_job([files.clip_free], threads=(1,), run=ToolRun(), tool=program)
    outcomes = measure_phones(FakeAdb(serials=("P1", "P2")), job, serials=["P1", "P2"])
    print_phones([result for outcome in outcomes for result in outcome.results])
    out = capsys.readouterr().out
    assert "Acme Phone 9 (P1)" in out and "Acme Phone 9 (P2)" in out


def test_what_is_unknown_is_a_question_mark(measured, capsys):
    print_phones(measured(texts.OLD))
    assert "?" in capsys.readouterr().out


def test_protocol_and_notices_are_said_once(measured):
    results = measured(texts.FALLBACK, delegate="nnapi")
    lines = phone_protocol_lines([*results, *results])
    assert lines[0].startswith("Acme Phone 9 (P1), Google Tensor G4, API 35, arm64-v8a/armeabi-v7a")
    assert lines[1] == SCHEDULING
    assert lines[0].endswith("times read from the program's text, nodes from the program's text")
    assert len(lines) == 4 and lines[2].startswith("warning: NNAPI is deprecated since Android 15")
    assert lines[3].startswith("warning: nnapi took no node: the time is the CPU's")
    assert phone_protocol_lines([]) == []
