"""Every wrong usage of the study is answered before numpy or TensorFlow is imported.

No time is measured here: `sr-bench evidence wrong-usage` does that.
"""

import json

import pytest

from runtime_bench.evidence.wrong_usage import PACKAGES, USAGES, answer_to

HEAVY = {"numpy", "tensorflow", "tf_keras", "keras", "PIL", "skimage", "ai_edge_litert"}
CODE = """
import contextlib, io, json, sys
from sr_models.ground.console import status_of_command
from {package}.cli import app
for usage in {usages!r}:
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = status_of_command(app, usage.split()[1:])
    print(json.dumps([usage, status, said.getvalue(), sorted(set(sys.modules) & {heavy!r})]))
"""


@pytest.mark.parametrize("command", PACKAGES)
def test_wrong_usage_is_answered_before_any_library_is_loaded(command, run_python, tmp_path):
    usages = [usage for usage in USAGES if usage.split()[0] == command]
    code = CODE.format(package=PACKAGES[command], usages=usages, heavy=HEAVY)
    done = run_python(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [usage for usage, *_ in answers] == usages
    for usage, status, said, loaded in answers:
        assert status == 2 and said.startswith("error: expected "), (usage, said)
        assert said.count("\n") == 1 and ", found" in said, said
        assert loaded == [], usage
    assert list(tmp_path.iterdir()) == [], "nothing half-written"


def test_twenty_usages_at_least_and_each_once():
    assert len(set(USAGES)) == len(USAGES) >= 20
    assert {usage.split()[0] for usage in USAGES} == set(PACKAGES)


def test_an_answer_is_that_of_the_command(tmp_path):
    answer = answer_to("sr-models show xslr_x3", folder=str(tmp_path))
    assert answer.exit_status == 2 and answer.seconds > 0.0
    assert "did you mean xlsr_x3" in answer.said
    assert answer.to_json()["usage"] == "sr-models show xslr_x3"
