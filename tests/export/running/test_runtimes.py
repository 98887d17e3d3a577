import types

import pytest

from export.exporting.conversion import convert_float
from export.running import runtimes
from export.running.runtimes import (
    DELEGATES,
    MAX_THREADS,
    find_runtime,
    require_delegate,
    require_threads,
    with_first_depth_to_space,
)
from sr_models.ground.errors import ModelFileError, OptionError


def test_ai_edge_litert_comes_first():
    runtime = find_runtime()
    assert runtime.name == "ai-edge-litert"
    assert str(runtime) == f"ai-edge-litert {runtime.version}"
    assert all(hasattr(runtime.resolvers, resolver) for resolver in DELEGATES.values())


def test_the_next_one_is_taken_where_the_first_is_missing(monkeypatch):
    modules = {
        "absent": "no_such_package.interpreter",
        # A module that can be imported, but of no installed package.
        "unversioned": "types",
        "ai-edge-litert": runtimes.RUNTIMES["ai-edge-litert"],
    }
    monkeypatch.setattr(runtimes, "RUNTIMES", modules)
    assert find_runtime(list(modules)).name == "ai-edge-litert"
    with pytest.raises(ModelFileError, match="absent, unversioned") as caught:
        find_runtime(["absent", "unversioned"])
    assert "install ai-edge-litert" in str(caught.value)


@pytest.mark.slow
def test_tensorflows_own_interpreter_is_the_fallback(sharpening):
    from export.running.interpreters import open_model

    runtime = find_runtime(["tensorflow"])
    assert runtime.name == "tensorflow"
    runner = open_model(convert_float(sharpening, height=4, width=5), runtime=runtime)
    assert runner.outputs[0].shape == (1, 8, 10, 3)


@pytest.mark.parametrize("name", DELEGATES)
def test_known_delegates_are_passed_through(name):
    assert require_delegate(name) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("xnpack", "did you mean xnnpack"),
        ("XNNPACK", "did you mean xnnpack"),
        ("gpu", "give one of these"),
        ("", "give one of these"),
    ],
)
def test_unknown_delegates_name_the_known_ones(name, said):
    with pytest.raises(OptionError, match="xnnpack, builtin, reference") as caught:
        require_delegate(name)
    assert said in str(caught.value)


@pytest.mark.parametrize("threads", [1, 2, MAX_THREADS])
def test_threads_within_the_limits(threads):
    assert require_threads(threads) == threads


@pytest.mark.parametrize("threads", [0, -1, MAX_THREADS + 1, 2**40, 1.5])
def test_threads_outside_of_the_limits(threads):
    with pytest.raises(OptionError, match=f"expected 1 to {MAX_THREADS} threads"):
        require_threads(threads)


def versions_of(content):
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
    return {max(code.BuiltinCode(), code.DeprecatedBuiltinCode()): code.Version() for code in codes}


@pytest.fixture(scope="module")
def int8_content(sharpening, natural):
    from export.exporting.conversion import convert_with_calibrator

    return convert_with_calibrator(sharpening, natural, height=8, width=8)


def test_only_depth_to_space_is_asked_for_in_version_one(int8_content):
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    before = versions_of(int8_content)
    after = versions_of(with_first_depth_to_space(int8_content))
    assert before[BuiltinOperator.DEPTH_TO_SPACE] == 2
    assert after == {**before, BuiltinOperator.DEPTH_TO_SPACE: 1}


def test_files_of_old_converters_are_understood(int8_content):
    """Before schema version 3a the operator stood in `deprecated_builtin_code` alone."""
    from ai_edge_litert import schema_py_generated as schema

    old = bytearray(int8_content)
    model = schema.Model.GetRootAs(old, 0)
    for index in range(model.OperatorCodesLength()):
        table = model.OperatorCodes(index)._tab
        if field := table.Offset(10):
            old[table.Pos + field : table.Pos + field + 4] = bytes(4)
    assert versions_of(old) == versions_of(int8_content)
    patched = with_first_depth_to_space(bytes(old))
    assert versions_of(patched)[schema.BuiltinOperator.DEPTH_TO_SPACE] == 1


def test_a_runtime_is_its_package_and_version():
    runtime = runtimes.Runtime("fake", "1.2", object, types.SimpleNamespace())
    assert str(runtime) == "fake 1.2"
