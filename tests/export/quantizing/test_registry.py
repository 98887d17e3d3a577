import pytest

from export.quantizing.registry import STAGES, get_method, list_methods, register_method
from sr_models.ground.errors import OptionError


def test_every_method_names_its_source_and_what_it_does():
    methods = list_methods()
    assert {m.stage for m in methods} <= set(STAGES)
    for method in methods:
        assert "arXiv" in method.source or "TensorRT" in method.source, method.name
        assert method.summary.endswith("."), method.name


def test_methods_are_sorted_as_they_follow_one_another():
    stages = [STAGES.index(method.stage) for method in list_methods()]
    assert stages == sorted(stages)


def test_a_wrong_name_is_answered_with_the_nearest():
    with pytest.raises(OptionError, match=r"found 'adaruond'; did you mean adaround"):
        get_method("adaruond")


def test_a_name_can_be_taken_once():
    list_methods()
    with pytest.raises(ValueError, match="registered twice"):
        register_method("adaround", stage="weights", source="nowhere")(lambda n, e: n)


def test_an_unknown_stage_is_a_programming_error():
    with pytest.raises(ValueError, match="found 'later'"):
        register_method("x", stage="later", source="nowhere")
