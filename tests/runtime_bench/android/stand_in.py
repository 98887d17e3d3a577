"""A `benchmark_model` for the loopback phone: it really runs the file, and prints as TFLite's does.

It knows the classic program's flags that this project gives, and refuses others as that does. What
an accelerator would do is told by its name: `refuse`, `fall-back`, or else it takes everything.
"""

import sys
import time

FLAGS = (
    "graph",
    "num_threads",
    "num_runs",
    "warmup_runs",
    "max_secs",
    "min_secs",
    "warmup_min_secs",
    "use_xnnpack",
    "use_nnapi",
    "nnapi_accelerator_name",
    "input_layer",
    "input_layer_shape",
    "input_layer_value_files",
    "output_filepath",
    "enable_op_profiling",
    "use_gpu",
    "op_profiling_output_mode",
    "op_profiling_output_file",
)


def main() -> int:
    if sys.argv[1:] == ["--help"]:
        print("usage: benchmark_model <flags>\nFlags:")
        print("\n".join(f"\t--{name}=\tstring\toptional\ttext" for name in FLAGS))
        return 1
    flags = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
    if unknown := [name for name in flags if name not in FLAGS]:
        print(f"ERROR: Unconsumed cmdline flags: {' '.join(unknown)}", file=sys.stderr)
        return 1
    print("INFO: STARTING!", flush=True)
    if flags["num_threads"] == "7":
        time.sleep(600)
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
    elif flags.get("use_nnapi") == "true":
        print(
            "INFO: Explicitly applied NNAPI delegate, and the model graph will be completely "
            "executed by the delegate."
        )
    elif flags.get("use_xnnpack") == "true":
        print(
            "INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely "
            "executed by the delegate."
        )
    times = run(flags)
    print(f"INFO: count=1 curr={times[0]}\n")
    late = sorted(times[1:]) or times
    print(
        f"INFO: count={len(late)} first={late[0]} curr={late[-1]} min={late[0]} max={late[-1]} "
        f"avg={sum(late) / len(late):.6g} std=1 p5={late[0]} median={late[len(late) // 2]} "
        f"p95={late[-1]}\n"
    )
    print(
        f"INFO: Inference timings in us: Init: 500, First inference: {times[0]}, "
        f"Warmup (avg): {times[0]}, Inference (avg): {sum(late) / len(late):.6g}"
    )
    return 0


def run(flags: dict) -> list[int]:
    """Run the file; microseconds of each inference."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

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
    return times


if __name__ == "__main__":
    sys.exit(main())
