import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_bench.android.tool import (
    CLASSIC,
    DELEGATES,
    LITERT,
    Tool,
    ToolRun,
    arguments,
    parse_flags,
    parse_help,
    parse_threads,
    picture_arguments,
)
from sr_models.ground.errors import OptionError
from tests.runtime_bench.android.texts import CLASSIC_FLAGS, LITERT_FLAGS, help_text

CLASSIC_TOOL, LITERT_TOOL = (
    Tool(CLASSIC, frozenset(CLASSIC_FLAGS)),
    Tool(LITERT, frozenset(LITERT_FLAGS)),
)


def flags_of(tool, run, **options):
    words = arguments(tool, run, graph="/g", **options)
    assert all(word.startswith("--") for word in words)
    return dict(word[2:].split("=", 1) for word in words)


@pytest.mark.parametrize("tool", [CLASSIC_TOOL, LITERT_TOOL])
def test_the_programs_are_told_apart_by_their_help(tool):
    assert parse_help(help_text(sorted(tool.flags))) == tool


@pytest.mark.parametrize(
    "text", ["", "sh: not found", help_text(["graph"]), help_text(["use_nnapi"]), "usage: [flags]"]
)
def test_another_program_is_refused(text):
    with pytest.raises(OptionError, match=r"expected benchmark_model .* found"):
        parse_help(text)


@given(st.text())
def test_any_help_is_read_or_refused(text):
    try:
        parse_help(text)
    except OptionError:
        return


@pytest.mark.parametrize(
    ("tool", "delegate", "expected"),
    [
        (CLASSIC_TOOL, "xnnpack", {"use_xnnpack": "true"}),
        (CLASSIC_TOOL, "none", {"use_xnnpack": "false"}),
        (CLASSIC_TOOL, "gpu", {"use_gpu": "true"}),
        (CLASSIC_TOOL, "nnapi", {"use_nnapi": "true"}),
        (LITERT_TOOL, "xnnpack", {"use_cpu": "true"}),
        (LITERT_TOOL, "gpu", {"use_gpu": "true"}),
        (LITERT_TOOL, "npu", {"use_npu": "true"}),
    ],
)
def test_delegates_are_translated(tool, delegate, expected):
    found = flags_of(tool, ToolRun(delegate, threads=4, runs=20, warmup=2, seconds=9))
    assert found == {
        "graph": "/g",
        **expected,
        "num_threads": "4",
        "num_runs": "20",
        "warmup_runs": "2",
        "max_secs": "9",
        "min_secs": "0",
        "warmup_min_secs": "0",
    }


@pytest.mark.parametrize(
    ("tool", "delegate", "said"),
    [
        (LITERT_TOOL, "nnapi", "--delegate npu"),
        (LITERT_TOOL, "none", "classic tool"),
        (CLASSIC_TOOL, "npu", "--delegate nnapi"),
    ],
)
def test_what_a_program_cannot_do_is_said_with_what_can(tool, delegate, said):
    with pytest.raises(OptionError, match=said):
        arguments(tool, ToolRun(delegate), graph="/g")


@pytest.mark.parametrize("tool", [CLASSIC_TOOL, LITERT_TOOL])
@pytest.mark.parametrize("delegate", DELEGATES)
@pytest.mark.parametrize("profile", [False, True])
def test_no_flag_is_given_that_the_program_does_not_know(tool, delegate, profile):
    run = ToolRun(delegate, profile=profile)
    try:
        found = flags_of(tool, run, profile_path="/p", library_folder="/l")
    except OptionError:
        return
    assert set(found) <= tool.flags


@pytest.mark.parametrize("tool", [CLASSIC_TOOL, LITERT_TOOL])
def test_files_are_written_where_the_program_can(tool):
    paths = {"results_path": "/r.pb", "info_path": "/i.pb"}
    found = flags_of(tool, ToolRun(), **paths)
    assert (found["result_file_path"], found["model_runtime_info_output_file"]) == (
        "/r.pb",
        "/i.pb",
    )
    # LiteRT's tool ends on the switch that the classic one needs.
    assert ("export_model_runtime_info" in found) == (tool is CLASSIC_TOOL)
    old = tool.flags - {"result_file_path", "model_runtime_info_output_file"}
    found = flags_of(Tool(tool.kind, frozenset(old)), ToolRun(), **paths)
    assert not {"result_file_path", "export_model_runtime_info"} & set(found)


def test_a_compilers_library_is_named_where_it_is_there():
    def of(*libraries):
        return flags_of(LITERT_TOOL, ToolRun("npu"), library_folder="/l", libraries=libraries)

    assert of()["dispatch_library_path"] == "/l"
    # A file that is compiled already must not be compiled again.
    assert "compiler_plugin_library_path" not in of("libLiteRtDispatch_Qualcomm.so")
    found = of("libLiteRtCompilerPlugin_Qualcomm.so")
    assert found["compiler_plugin_library_path"] == "/l"


def test_flags_of_the_programs_own_go_through():
    extra = parse_flags(["gpu_backend=opengl", "--allow_fp16=false", "gpu_backend=webgpu"])
    assert extra == (("gpu_backend", "webgpu"), ("allow_fp16", "false"))
    found = flags_of(LITERT_TOOL, ToolRun("gpu", extra=extra))
    assert (found["gpu_backend"], found["allow_fp16"]) == ("webgpu", "false")
    with pytest.raises(OptionError, match="found gpu_backnd; did you mean gpu_backend"):
        arguments(LITERT_TOOL, ToolRun(extra=(("gpu_backnd", "x"),)), graph="/g")
    for word, said in [
        ("gpu_backend", "NAME=VALUE"),
        ("=x", "NAME=VALUE"),
        ("a b=x", "NAME=VALUE"),
        ("use_gpu=true", "no option of ours sets"),
        ("--num_threads=4", "no option of ours sets"),
    ]:
        with pytest.raises(OptionError, match=said):
            parse_flags([word])


def test_an_accelerator_is_named_with_nnapi_only():
    found = flags_of(CLASSIC_TOOL, ToolRun("nnapi", accelerator="google-edgetpu"))
    assert found["nnapi_accelerator_name"] == "google-edgetpu"
    with pytest.raises(OptionError, match="--delegate nnapi with --accelerator, found gpu"):
        ToolRun("gpu", accelerator="google-edgetpu")


def test_a_program_without_accelerator_names_is_too_old():
    tool = Tool(CLASSIC, frozenset(CLASSIC_FLAGS) - {"nnapi_accelerator_name"})
    with pytest.raises(OptionError, match="--nnapi_accelerator_name, found one without"):
        arguments(tool, ToolRun("nnapi", accelerator="x"), graph="/g")


def test_profiles_go_to_a_file_where_the_program_can():
    asked = ToolRun(profile=True)
    found = flags_of(CLASSIC_TOOL, asked, profile_path="/p.csv")
    assert found["op_profiling_output_mode"] == "csv"
    assert found["op_profiling_output_file"] == "/p.csv"
    older = {"profiling_output_csv_file", *CLASSIC_FLAGS} - {"op_profiling_output_mode"}
    found = flags_of(Tool(CLASSIC, frozenset(older)), asked, profile_path="/p.csv")
    assert found["profiling_output_csv_file"] == "/p.csv"
    oldest = frozenset(older - {"profiling_output_csv_file"})
    assert flags_of(Tool(CLASSIC, oldest), asked)["enable_op_profiling"] == "true"
    assert flags_of(LITERT_TOOL, asked)["use_profiler"] == "true"


@pytest.mark.parametrize(
    ("layer", "name"), [("input_1", "input_1"), ("serving_default_input:0", "input")]
)
def test_pictures_go_in_and_out_as_files(layer, name):
    words = picture_arguments(
        CLASSIC_TOOL,
        ToolRun("nnapi", accelerator="x", threads=4, runs=50),
        graph="/g",
        layer=layer,
        shape=(1, 4, 6, 3),
        source="/in",
        target="/out",
    )
    assert {
        f"--input_layer={name}",
        "--input_layer_shape=1,4,6,3",
        "--output_filepath=/out",
        f"--input_layer_value_files={name}:/in",
        "--num_runs=1",
        "--warmup_runs=0",
        "--use_nnapi=true",
        "--nnapi_accelerator_name=x",
        "--num_threads=4",
    } <= set(words)


def test_pictures_need_the_classic_program():
    with pytest.raises(OptionError, match="classic tool"):
        picture_arguments(
            LITERT_TOOL, ToolRun(), graph="/g", layer="x", shape=(1,), source="/i", target="/o"
        )


@pytest.mark.parametrize(
    "options",
    [
        {"threads": 0},
        {"threads": 65},
        {"runs": 0},
        {"warmup": -1},
        {"seconds": 0.0},
        {"seconds": float("nan")},
        {"delegate": "xnnpak"},
    ],
)
def test_impossible_runs_are_refused(options):
    with pytest.raises(OptionError, match=r"expected .* found"):
        ToolRun(**options)


def test_the_nearest_delegate_of_phones_is_suggested():
    with pytest.raises(OptionError, match=r"xnnpack, none, gpu, nnapi, npu.*did you mean nnapi"):
        ToolRun(delegate="nnap")


def test_threads_are_listed():
    assert parse_threads("1,4, 2,4") == (1, 4, 2)
    for wrong in ("", "1,", "one", "-1", "1 2", "٣", "99999"):
        with pytest.raises(OptionError, match="1,4"):
            parse_threads(wrong)
