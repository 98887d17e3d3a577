"""A `benchmark_model` for the loopback phone: it really runs the file, and tells as TFLite's does.

It plays the classic program or LiteRT's, as `KIND` says, knows the flags that this project gives,
and refuses others as the classic one does. What an accelerator would do is told by its name
(`refuse`, `fall-back`), or for LiteRT's by `--gpu_backend` (`absent`, `partly`, `cut`); any other
takes everything.
"""

import struct
import sys
import time

KIND = "classic"
COMMON = (
    "graph",
    "num_threads",
    "num_runs",
    "warmup_runs",
    "max_secs",
    "min_secs",
    "warmup_min_secs",
    "use_gpu",
    "result_file_path",
    "model_runtime_info_output_file",
)
FLAGS = {
    "classic": (
        *COMMON,
        "use_xnnpack",
        "use_nnapi",
        "nnapi_accelerator_name",
        "input_layer",
        "input_layer_shape",
        "input_layer_value_files",
        "output_filepath",
        "enable_op_profiling",
        "op_profiling_output_mode",
        "op_profiling_output_file",
        "export_model_runtime_info",
    ),
    # As the classic one of 2023, before it could write anything.
    "old": (*COMMON[:8], "use_xnnpack", "use_nnapi", "nnapi_accelerator_name"),
    "litert": (
        *COMMON,
        "use_cpu",
        "use_npu",
        "gpu_backend",
        "allow_fp16",
        "dispatch_library_path",
        "compiler_plugin_library_path",
        "use_profiler",
    ),
}


def main() -> int:
    known = FLAGS[KIND]
    if sys.argv[1:] == ["--help"]:
        print("usage: benchmark_model <flags>\nFlags:")
        print("\n".join(f"\t--{name}=\tstring\toptional\ttext" for name in known))
        return 1
    flags = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
    if unknown := [name for name in flags if name not in known]:
        print(f"ERROR: Unconsumed cmdline flags: {' '.join(unknown)}", file=sys.stderr)
        return 1
    print("INFO: STARTING!", flush=True)
    if flags["num_threads"] == "7":
        time.sleep(600)
    status = tell_litert(flags) if KIND == "litert" else tell_classic(flags)
    if status:
        return status
    times, operators = run(flags)
    write_runtime_info(flags, operators)
    write_results(flags, times)
    late = sorted(times[1:]) or times
    mean = sum(late) / len(late)
    print(f"INFO: count=1 curr={times[0]}\n")
    print(
        f"INFO: count={len(late)} first={late[0]} curr={late[-1]} min={late[0]} max={late[-1]} "
        f"avg={mean:.6g} std=1 p5={late[0]} median={late[len(late) // 2]} p95={late[-1]}\n"
    )
    if KIND == "litert":
        print("INFO: [benchmark_litert_model.h:87]\n========== BENCHMARK RESULTS ==========")
        print(f"INFO: [benchmark_litert_model.h:99] Inference (avg): {mean / 1e3:.2f} ms (3 runs)")
    else:
        print(
            f"INFO: Inference timings in us: Init: 500, First inference: {times[0]}, "
            f"Warmup (avg): {times[0]}, Inference (avg): {mean:.6g}"
        )
    return 0


def tell_classic(flags: dict) -> int:
    accelerator = flags.get("nnapi_accelerator_name", "")
    if flags.get("use_nnapi") == "true":
        print("INFO: NNAPI accelerators available: [loop,refuse,fall-back]")
    if accelerator == "refuse":
        print("ERROR: Failed to apply NNAPI delegate.\nERROR: Benchmarking failed.")
        return 1
    if accelerator == "fall-back":
        print(
            "INFO: Though NNAPI delegate is explicitly applied, the model graph will not be "
            "executed by the delegate."
        )
    elif name := {"use_nnapi": "NNAPI", "use_xnnpack": "XNNPACK"}.get(asked(flags)):
        print(
            f"INFO: Explicitly applied {name} delegate, and the model graph will be completely "
            "executed by the delegate."
        )
    return 0


def tell_litert(flags: dict) -> int:
    print(f"INFO: [benchmark_litert_model.cc:201] Loading model from: {flags['graph']}")
    print("WARNING: [x.cc:158] NPU accelerator could not be loaded and registered.")
    if flags.get("gpu_backend") == "absent":
        print("WARNING: [x.cc:266] GPU accelerator could not be loaded and registered.")
    return 0


def asked(flags: dict) -> str:
    """Which flag of a delegate is on."""
    names = ("use_npu", "use_gpu", "use_nnapi", "use_xnnpack", "use_cpu")
    return next((name for name in names if flags.get(name) == "true"), "")


def run(flags: dict) -> tuple[list[int], list[str]]:
    """Run the file; microseconds of each inference, and the types of its operators."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    counted = Interpreter(flags["graph"], experimental_op_resolver_type=plain)
    operators = [operator["op_name"] for operator in counted._get_ops_details()]
    interpreter = Interpreter(flags["graph"], num_threads=int(flags["num_threads"]))
    given = interpreter.get_input_details()[0]
    if "input_layer_shape" in flags:
        shape = [int(size) for size in flags["input_layer_shape"].split(",")]
        interpreter.resize_tensor_input(given["index"], shape)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    if "input_layer_value_files" in flags:
        path = flags["input_layer_value_files"].split(":", 1)[1]
        data = np.fromfile(path, given["dtype"]).reshape(given["shape"])
        interpreter.set_tensor(given["index"], data)
    times = []
    for _ in range(1 + int(flags["num_runs"])):
        start = time.perf_counter()
        interpreter.invoke()
        times.append(max(1, round((time.perf_counter() - start) * 1e6)))
    if "output_filepath" in flags:
        interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).tofile(
            flags["output_filepath"]
        )
    if "op_profiling_output_file" in flags:
        with open(flags["op_profiling_output_file"], "w") as file:
            file.write(
                "Operator-wise Profiling Info for Regular Benchmark Runs:\n"
                "=============== Run Order ===============\n"
                "node type, first, avg_ms, %, cdf%, mem KB, times called, name\n"
                "QUANTIZE, 0.1, 0.1, 100%, 100%, 0, 1, output\n\n"
            )
    return times, operators


def write_runtime_info(flags: dict, operators: list[str]) -> None:
    """The nodes and who took them, by LiteRT's own message."""
    if "model_runtime_info_output_file" not in flags:
        return
    if KIND == "classic" and flags.get("export_model_runtime_info") != "true":
        return
    from ai_edge_litert.model_runtime_info_pb2 import ModelRuntimeDetails

    odd = flags.get("gpu_backend") or flags.get("nnapi_accelerator_name")
    names = {"use_nnapi": "TfLiteNnapiDelegate", "use_gpu": "LITERT_CL", "": ""}
    name = names.get(asked(flags), "TfLiteXNNPackDelegate")
    if odd in ("absent", "fall-back"):
        name = "TfLiteXNNPackDelegate"
    details = ModelRuntimeDetails(model_name="main")
    graph = details.subgraphs.add(subgraph_id=0, subgraph_type=1, name="main")
    left = 1 if odd == "partly" else 0 if name else len(operators)
    for number, operator in enumerate(operators):
        node = graph.nodes.add(id=number, name=operator, type="1", inputs=[-1, 0], outputs=[1])
        if number >= left:
            node.delegated_to_node_id = len(operators)
    if name:
        kernel = graph.nodes.add(id=len(operators), name=name, type=name)
        kernel.delegate_node_details.delegate_name = name
        taken = range(left, len(operators))
        kernel.delegate_node_details.tflite_node_ids_replaced.extend(taken)
    graph.execution_plan.extend([*range(left), *([len(operators)] if name else [])])
    with open(flags["model_runtime_info_output_file"], "wb") as file:
        file.write(details.SerializeToString())


def write_results(flags: dict, times: list[int]) -> None:
    """The figures; encoded by hand, for no package has this message."""
    if "result_file_path" not in flags:
        return

    def real(number, value):
        return bytes([number << 3 | 5]) + struct.pack("<f", value)

    def whole(number, value):
        found = bytes([number << 3])
        while value > 127:
            found, value = found + bytes([value & 127 | 128]), value >> 7
        return found + bytes([value])

    def inside(number, data):
        return bytes([number << 3 | 2, len(data)]) + data

    late = sorted(times[1:]) or times
    mean = sum(late) / len(late)
    ms = [mean, late[0], late[-1], 1, late[len(late) // 2], late[0], late[-1], 500, times[0], 700]
    latency = b"".join(real(number, us / 1e3) for number, us in enumerate(ms, start=1))
    memory = whole(1, 4096) + whole(2, 22016)
    misc = real(1, 0.5) + whole(2, len(late)) + whole(3, 1) + real(4, 12.5)
    data = inside(2, latency) + inside(3, memory) + inside(4, misc)
    with open(flags["result_file_path"], "wb") as file:
        file.write(data[:-7] if flags.get("gpu_backend") == "cut" else data)


if __name__ == "__main__":
    sys.exit(main())
