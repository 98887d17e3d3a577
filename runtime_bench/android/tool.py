"""The two programs named `benchmark_model`, told apart by their help, and their flags.

- `classic`: tflite/tools/benchmark/benchmark_tflite_model.cc, all delegates.
- `litert`: litert/tools/benchmark_litert_model.{h,cc}, CPU, GPU and NPU through CompiledModel;
  built from source it is named `benchmark_litert_model`, downloaded `benchmark_model`.

Flags follow google-ai-edge/LiteRT as of 2026 (benchmark_tflite_model.cc at 01d971c556e3,
benchmark_litert_model.h at 15bfaa8b303d). Programs end with an error on a flag that they do not
know, or only warn of it, so none is given that the help does not list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from export.running.runtimes import require_delegate
from sr_models.ground.errors import OptionError

CLASSIC, LITERT = "classic", "litert"
KINDS = {CLASSIC: "the classic TFLite tool", LITERT: "the LiteRT tool"}
DELEGATES = ("xnnpack", "none", "gpu", "nnapi", "npu")
# Delegate to the flags that choose it, per program.
_CHOICES: dict[str, dict[str, dict[str, str]]] = {
    CLASSIC: {
        "xnnpack": {"use_xnnpack": "true"},
        "none": {"use_xnnpack": "false"},
        "gpu": {"use_gpu": "true"},
        "nnapi": {"use_nnapi": "true"},
    },
    LITERT: {
        "xnnpack": {"use_cpu": "true"},
        "gpu": {"use_gpu": "true"},
        "npu": {"use_npu": "true"},
    },
}
# What `arguments` and `picture_arguments` give themselves, or what would contradict a row.
_OURS = {
    "graph",
    "num_threads",
    "num_runs",
    "warmup_runs",
    "max_secs",
    "min_secs",
    "warmup_min_secs",
    "use_xnnpack",
    "use_gpu",
    "use_nnapi",
    "use_cpu",
    "use_npu",
    "nnapi_accelerator_name",
    "dispatch_library_path",
    "compiler_plugin_library_path",
    "enable_op_profiling",
    "op_profiling_output_mode",
    "op_profiling_output_file",
    "use_profiler",
    "profiling_output_csv_file",
    "result_file_path",
    "export_model_runtime_info",
    "model_runtime_info_output_file",
    "input_layer",
    "input_layer_shape",
    "input_layer_value_files",
    "output_filepath",
    "require_full_delegation",
    "help",
}
_INSTEAD = {
    "nnapi": "the LiteRT tool has no NNAPI; give the classic tool, or take --delegate npu",
    "none": "the LiteRT tool always runs XNNPACK on a CPU; give the classic tool",
    "npu": "only the LiteRT tool runs NPUs; give that one, or take --delegate nnapi",
}


@dataclass(frozen=True)
class Tool:
    """A `benchmark_model` program.

    Attributes:
        kind: `classic` or `litert`.
        flags: Names of the flags that it knows.
    """

    kind: str
    flags: frozenset[str]


@dataclass(frozen=True)
class ToolRun:
    """What one run of the program shall do.

    Attributes:
        delegate: One of `DELEGATES`.
        accelerator: Name of an NNAPI accelerator; empty for the driver's own choice.
        threads: Threads of the kernels.
        runs: Timed runs at least.
        warmup: Untimed runs at least.
        seconds: Time budget of the timed runs.
        profile: Ask for times per operator.
        extra: Flags of the program's own beside those, name to value, e.g. `gpu_backend`.
    """

    delegate: str = "xnnpack"
    accelerator: str = ""
    threads: int = 1
    runs: int = 50
    warmup: int = 3
    seconds: float = 60.0
    profile: bool = False
    extra: tuple[tuple[str, str], ...] = ()

    def __post_init__(self):
        require_delegate(self.delegate, DELEGATES)
        if self.accelerator and self.delegate != "nnapi":
            raise OptionError(
                f"expected --delegate nnapi with --accelerator, found {self.delegate}; "
                "accelerators are NNAPI's"
            )
        if not 1 <= self.threads <= 64:
            raise OptionError(f"expected 1 to 64 threads, found {self.threads}; change --threads")
        if self.runs < 1 or self.warmup < 0 or not self.seconds > 0:
            raise OptionError(
                "expected at least 1 run, 0 warm-up runs and more than 0 seconds, found "
                f"{self.runs}, {self.warmup} and {self.seconds:g}"
            )


def parse_threads(text: str) -> tuple[int, ...]:
    """Numbers of threads from `1,4`; raises `OptionError` for other text."""
    words = [word.strip() for word in text.split(",")]
    if not all(re.fullmatch(r"[0-9]{1,4}", word) for word in words):
        raise OptionError(f"expected numbers of threads such as 1,4, found {text!r}")
    return tuple(dict.fromkeys(map(int, words)))


def parse_flags(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Flags of the program's own from `gpu_backend=opengl`, with or without leading `--`.

    Raises:
        OptionError: A text of another form, or a flag that an option of ours sets.
    """
    found = {}
    for word in words:
        name, sign, value = word.removeprefix("--").partition("=")
        if not sign or not re.fullmatch(r"[a-z][a-z0-9_]*", name) or "\0" in value:
            raise OptionError(
                f"expected NAME=VALUE of benchmark_model, found {word!r}; give e.g. "
                "--tool-flag gpu_backend=opengl"
            )
        if name in _OURS:
            raise OptionError(
                f"expected a flag that no option of ours sets, found --tool-flag {name}; leave it "
                "out (--delegate, --threads, --runs, --warmup, --seconds, --profile set theirs)"
            )
        found[name] = value
    return tuple(found.items())


def parse_help(text: str) -> Tool:
    """Tell the programs apart by the text that `--help` prints.

    Raises:
        OptionError: The text is of neither program.
    """
    flags = frozenset(re.findall(r"--([a-z0-9_]+)=", text))
    if "graph" in flags and flags & {"use_nnapi", "use_xnnpack"}:
        return Tool(CLASSIC, flags)
    if "graph" in flags and {"use_cpu", "use_npu"} <= flags:
        return Tool(LITERT, flags)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = lines[-1][:120] if lines else "nothing"
    raise OptionError(
        "expected benchmark_model of TFLite or LiteRT to list its flags on --help, found: "
        f"{found}; give --benchmark-tool"
    )


def arguments(
    tool: Tool,
    run: ToolRun,
    *,
    graph: str,
    profile_path: str = "",
    results_path: str = "",
    info_path: str = "",
    library_folder: str = "",
    libraries: Sequence[str] = (),
) -> list[str]:
    """The program's arguments.

    Args:
        tool: The program.
        run: What to do.
        graph: Path of the file on the phone.
        profile_path: Where the program shall write times per operator.
        results_path: Where it shall write its times, if it can.
        info_path: Where it shall write which nodes a delegate took, if it can.
        library_folder: Where an accelerator's libraries are, for NPUs.
        libraries: Their names.

    Raises:
        OptionError: This program cannot run this delegate, or not count what is asked for.
    """
    choice = _CHOICES[tool.kind].get(run.delegate)
    if choice is None:
        raise OptionError(
            f"expected a tool that runs {run.delegate}, found {KINDS[tool.kind]}; "
            f"{_INSTEAD[run.delegate]}"
        )
    wanted = {
        "graph": graph,
        **choice,
        "num_threads": str(run.threads),
        "num_runs": str(run.runs),
        "warmup_runs": str(run.warmup),
        "max_secs": f"{run.seconds:g}",
    }
    # The timed runs end after `num_runs`, however short they are.
    optional = {"min_secs": "0", "warmup_min_secs": "0"}
    if run.accelerator:
        wanted["nnapi_accelerator_name"] = run.accelerator
    if library_folder and run.delegate == "npu":
        wanted["dispatch_library_path"] = library_folder
        if any("CompilerPlugin" in name for name in libraries):
            # A file that is compiled already must not be given to a compiler again.
            optional["compiler_plugin_library_path"] = library_folder
    if run.profile:
        wanted |= _profile_flags(tool, profile_path)
    if results_path:
        optional["result_file_path"] = results_path
    if info_path and "model_runtime_info_output_file" in tool.flags:
        # The classic tool wants to be told that it shall; LiteRT's has no such flag.
        optional["export_model_runtime_info"] = "true"
        optional["model_runtime_info_output_file"] = info_path
    _require_known(tool, run.extra)
    wanted |= dict(run.extra)
    missing = sorted(set(wanted) - tool.flags)
    if missing:
        raise OptionError(
            f"expected {KINDS[tool.kind]} with --{missing[0]}, found one without; give a newer "
            "benchmark_model"
        )
    return _lines(wanted | {name: value for name, value in optional.items() if name in tool.flags})


def picture_arguments(
    tool: Tool,
    run: ToolRun,
    *,
    graph: str,
    layer: str,
    shape: tuple[int, ...],
    source: str,
    target: str,
) -> list[str]:
    """Arguments for one run on given input, whose output is written as raw bytes.

    Args:
        tool: The program; the classic one alone can do this.
        run: Delegate, accelerator and threads.
        graph: Path of the file on the phone.
        layer: Name of the input tensor.
        shape: Its shape.
        source: Path of its raw bytes on the phone.
        target: Where the program shall write the output.
    """
    require_pictures(tool)
    base = replace(run, runs=1, warmup=0, profile=False)
    # A colon or comma parts names from paths, and each version escapes it in another way. The
    # program goes by position and only warns of another name.
    name = "input" if set(layer) & set(":,\\") else layer
    return arguments(tool, base, graph=graph) + _lines(
        {
            "input_layer": name,
            "input_layer_shape": ",".join(map(str, shape)),
            "input_layer_value_files": f"{name}:{source}",
            "output_filepath": target,
        }
    )


def require_pictures(tool: Tool) -> None:
    """Raise `OptionError` where the program cannot be given pictures and write what it makes."""
    if not {"input_layer_value_files", "output_filepath"} <= tool.flags:
        raise OptionError(
            "expected a benchmark_model with --output_filepath for pictures, found "
            f"{KINDS[tool.kind]} without; give the classic tool of 2023 or later, or files without "
            "--data and --bundle for times alone"
        )


def _require_known(tool: Tool, extra: Sequence[tuple[str, str]]) -> None:
    for name, _ in extra:
        if name not in tool.flags:
            near = get_close_matches(name, sorted(tool.flags), n=1)
            raise OptionError(
                f"expected a flag of {KINDS[tool.kind]} with --tool-flag, found {name}; "
                + (f"did you mean {near[0]}?" if near else "its --help lists them")
            )


def _profile_flags(tool: Tool, path: str) -> dict[str, str]:
    if tool.kind == LITERT:
        return {"use_profiler": "true"}
    if "op_profiling_output_mode" in tool.flags:
        return {
            "enable_op_profiling": "true",
            "op_profiling_output_mode": "csv",
            "op_profiling_output_file": path,
        }
    if "profiling_output_csv_file" in tool.flags:
        return {"enable_op_profiling": "true", "profiling_output_csv_file": path}
    return {"enable_op_profiling": "true"}


def _lines(flags: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]
