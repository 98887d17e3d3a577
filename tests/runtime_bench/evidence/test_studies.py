from inspect import signature
from typing import get_type_hints

import pytest

from runtime_bench.evidence import studies as registry
from runtime_bench.evidence.signatures import signature_of
from runtime_bench.evidence.studies import find_study, studies
from sr_models.ground.errors import OptionError

TEXT = """
@study("made-up")
def measure(size: int):
    \"\"\"What it does.

    More.
    \"\"\"
"""


def test_every_study_is_found_with_its_line_and_loads():
    assert {"calibration", "forms", "layers", "methods", "models", "overhead", "precision"} <= set(
        studies()
    )
    assert {"training", "trust", "twins"} <= set(studies())
    assert studies()["trust"].line.startswith("Count right verdicts of compare")
    for one in studies().values():
        assert callable(one.load()) and one.line.endswith("."), one
        # What is read from the text takes what the function takes.
        read, real = one.command(), one.load()
        assert get_type_hints(read, include_extras=True).keys() == get_type_hints(real).keys()
        assert signature(read).parameters.keys() == signature(real).parameters.keys()
        assert [p.default for p in signature(read).parameters.values()] == [
            p.default for p in signature(real).parameters.values()
        ]
        assert read.__doc__ == real.__doc__ and read.__name__ == real.__name__


def test_a_signature_runs_only_what_stands_in_it():
    text = """
import no_such_library
from pathlib import Path as Place, PurePath
SIDE = 3
HALF = SIDE / 2
def doubled(value): return 2 * value
@no_such_library.study
def measure(size: Place, side: float = doubled(HALF), *, on=lambda done: done): "Said."; boom()
"""
    found = signature_of(text, "measure")
    assert found(None) is None and found.__doc__ == "Said."
    assert signature(found).parameters["side"].default == 3.0
    with pytest.raises(LookupError, match="unknown"):
        signature_of("def measure(size: unknown): pass", "measure")


def test_a_study_is_one_decorated_function(tmp_path):
    (tmp_path / "module.py").write_text(TEXT)
    (found,) = registry._studies_of(tmp_path, "a").values()
    assert (found.name, found.line) == ("made-up", "What it does.")
    assert (found.module, found.function) == ("a.module", "measure")
    with pytest.raises(ValueError, match="expected a docstring on measure"):
        (tmp_path / "module.py").write_text('@study("b")\ndef measure(): pass')
        registry._studies_of(tmp_path, "a")


def test_an_unknown_study_is_one_line_with_the_nearest_names(call):
    with pytest.raises(OptionError, match="did you mean trust"):
        find_study("trsut")
    status, out, err = call("evidence", "trsut")
    assert (status, out) == (2, "")
    assert "did you mean trust" in err and err.count("\n") == 1


def test_without_a_name_the_studies_are_listed(call):
    status, out, _ = call("evidence")
    assert status == 0
    for one in studies().values():
        assert one.name in out and one.line in out
