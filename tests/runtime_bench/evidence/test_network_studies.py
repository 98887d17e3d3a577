import json

import pytest

from runtime_bench.evidence import training_speed
from runtime_bench.evidence.models import MEASURED


def test_a_wrong_name_suggests_the_nearest(call):
    status, out, err = call("evidence", "forms", "xslr_x3")
    assert (status, out) == (2, "")
    assert "did you mean xlsr_x3" in err and err.count("\n") == 1


def test_a_network_of_one_form_has_no_forms_to_compare(call):
    status, out, err = call("evidence", "forms", "abpn_x3")
    assert (status, out) == (2, "")
    assert "expected a network with two forms, found abpn_x3" in err


@pytest.fixture
def page(call, tmp_path):
    """A page of all networks, none of them measured, which takes moments."""
    path = tmp_path / "models.md"
    result = call(
        "evidence", "models", "--out", path, "--largest-parameters", 0, "--json", tmp_path / "json"
    )
    assert result == (0, "", f"wrote {path}\n")
    return path


def test_a_page_of_networks(page, call):
    found = json.loads((page.parent / "json").read_text())
    facts = {row["name"]: row for row in found["networks"]}
    assert facts["xlsr_x3"]["multiply_adds"] == 4_980_326_400 and found["placements"] == []
    assert "| `xlsr_x3` | not measured |" in page.read_text()
    assert call("evidence", "models", "--out", page, "--check")[0] == 0


def test_an_outdated_page_is_status_one_and_renewed_without_exports(page, call):
    whole = page.read_text()
    old = whole.replace("4.98", "4.99").replace("not measured", "13 of 15")
    page.write_text(old)
    status, out, err = call("evidence", "models", "--out", page, "--check")
    assert (status, out) == (1, "")
    assert "out of date" in err and "4.98" in err and "--keep-measured" in err
    assert page.read_text() == old, "checking writes nothing"
    assert call("evidence", "models", "--out", page, "--keep-measured")[0] == 0
    assert page.read_text() == whole.replace("not measured", "13 of 15")


def test_what_was_never_measured_cannot_be_kept(page, call):
    above, _, below = page.read_text().partition(MEASURED)
    page.write_text(f"{above}{MEASURED}{below.replace('`xlsr_x3`', '`xlsr_x9`')}")
    before = page.read_text()
    status, _, err = call("evidence", "models", "--out", page, "--keep-measured")
    assert status == 2 and "xlsr_x3" in err and "leave out --keep-measured" in err
    assert page.read_text() == before


@pytest.mark.parametrize("options", [(), ("--check",), ("--keep-measured",)])
def test_other_files_are_left_alone(options, call, tmp_path):
    path = tmp_path / "README.md"
    path.write_text("# Mine\n")
    status, _, err = call("evidence", "models", "--out", path, *options)
    assert status == 2 and "found other text" in err and err.count("\n") == 1
    assert path.read_text() == "# Mine\n"


def test_checking_loads_no_tensorflow(page, run_python):
    code = """
import sys
from runtime_bench.cli import app
from sr_models.ground.console import status_of_command
for option in ("--check", "--keep-measured"):
    assert status_of_command(app, ["evidence", "models", "--out", sys.argv[1], option]) == 0
sys.exit("tensorflow was imported" if "tensorflow" in sys.modules else 0)
"""
    result = run_python(code, page)
    assert result.returncode == 0, result.stderr


@pytest.fixture
def timed_once(monkeypatch):
    """A training is timed for the first command; the next is told the same."""
    made, really = [], training_speed.time_training

    def timed(*arguments, **keywords):
        if not made:
            made.append(really(*arguments, **keywords))
        return made[0]

    monkeypatch.setattr(training_speed, "time_training", timed)


def test_training_speed_of_a_network(call, picture_folder, timed_once, tmp_path):
    options = ("--data", picture_folder, "--steps", 10, "--warmup", 1)
    status, out, err = call(
        "evidence", "training", "etds_t_x3", *options, "--json", tmp_path / "json"
    )
    assert status == 0 and "etds_t_x3" in out and "ran on TensorFlow" in err
    found = json.loads((tmp_path / "json").read_text())
    (row,) = found["results"]
    assert (row["preset"], row["family"], row["steps"]) == ("etds_t_x3", "etds", 10)
    assert {"steps_per_second", "step_ms", "waiting_fraction", "batch_size", "patch_size"} <= {*row}
    assert found["machine"]["cpu"] and found["devices"]
    status, out, err = call("evidence", "training", "etds_t_x3", *options, "--max-waiting", 0)
    assert status == 1 and "gate not met: max-waiting 0; etds_t_x3" in err
    assert "etds_t_x3" in out, "the result comes first"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("xslr_x3",), "did you mean xlsr_x3"),
        (("abc*",), "abc*"),
        (("--steps", 0), "at least 10 steps"),
        (("--warmup", 0), "1 warm-up step"),
        (("--seconds", 0), "more than 0 seconds"),
        (("--data", "absent"), "no such path"),
    ],
    ids=str,
)
def test_training_speed_with_bad_input(arguments, said, call):
    status, out, err = call("evidence", "training", *arguments)
    assert (status, out) == (2, "")
    assert said in err and err.count("\n") == 1
