"""Texts of `benchmark_model`, written after the forms of its sources; all numbers are invented.

Classic: google-ai-edge/LiteRT, tflite/tools/benchmark/{benchmark_model,benchmark_tflite_model}.cc,
tflite/tools/delegates/nnapi_delegate_provider.cc, tflite/core/subgraph.cc, as of 2025; the order of
lines is that of listings in public issues of TensorFlow (2023). LiteRT: litert/tools/
benchmark_litert_model.h at 15bfaa8b303d (2026). Help: tflite/tools/command_line_flags.cc. Profiles:
listings of 2020 (with `[start]`) and 2023, CSV after tflite/profiling/profile_summary_formatter.cc.
"""

CLASSIC_FLAGS = (
    "num_runs",
    "min_secs",
    "max_secs",
    "num_threads",
    "warmup_runs",
    "warmup_min_secs",
    "graph",
    "input_layer",
    "input_layer_shape",
    "input_layer_value_files",
    "output_filepath",
    "require_full_delegation",
    "enable_op_profiling",
    "op_profiling_output_mode",
    "op_profiling_output_file",
    "export_model_runtime_info",
    "model_runtime_info_output_file",
    "result_file_path",
    "use_xnnpack",
    "use_nnapi",
    "nnapi_accelerator_name",
    "disable_nnapi_cpu",
    "use_gpu",
)
LITERT_FLAGS = (
    "num_runs",
    "min_secs",
    "max_secs",
    "num_threads",
    "warmup_runs",
    "warmup_min_secs",
    "graph",
    "use_cpu",
    "use_gpu",
    "use_npu",
    "signature_to_run_for",
    "dispatch_library_path",
    "compiler_plugin_library_path",
    "compiler_cache_path",
    "require_full_delegation",
    "use_profiler",
    "enable_perfetto",
    "gpu_backend",
    "allow_fp16",
    "gpu_low_priority",
    "result_file_path",
    "model_runtime_info_output_file",
    "mediatek_nerun_pilot_version",
)


def help_text(flags) -> str:
    """What `--help` prints for a list of flags."""
    lines = [f"\t--{name}=0  \tstring\toptional\twhat {name} is for" for name in flags]
    return "ERROR: usage: ./benchmark_model <flags>\nFlags:\n" + "\n".join(lines) + "\n"


CLASSIC = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Num threads: [4]
INFO: Graph: [/data/local/tmp/sr/m.tflite]
INFO: Use xnnpack: [1]
INFO: Loaded model /data/local/tmp/sr/m.tflite
INFO: Initialized TensorFlow Lite runtime.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
VERBOSE: Replacing 12 out of 14 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 3 \
partitions for subgraph 0 (main).
INFO: Explicitly applied XNNPACK delegate, and the model graph will be partially executed by the \
delegate w/ 2 delegate kernels.
INFO: The input model file size (MB): 0.0547
INFO: Initialized session in 3.21ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if \
exceeding 150 seconds.
INFO: count=7 first=83450 curr=71500 min=70990 max=83450 avg=72490 std=2001 p5=70990 median=71950 \
p95=83450

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if \
exceeding 150 seconds.
INFO: count=50 first=71900 curr=71500 min=70990 max=77950 avg=71990.4 std=1009 p5=71180 \
median=71951 p95=75610

INFO: Inference timings in us: Init: 3210, First inference: 83450, Warmup (avg): 72490, \
Inference (avg): 71990.4
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only \
APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at your \
discretion.
INFO: Memory footprint delta from the start of the tool (MB): init=3.75 overall=12.1914
INFO: Overall peak memory footprint (MB) via periodic monitoring: 15.5
"""

# NNAPI refuses the graph, and the CPU's time is shown as if it were the accelerator's.
FALLBACK = """\
INFO: STARTING!
INFO: Use NNAPI: [1]
INFO: NNAPI accelerator name: [google-edgetpu]
INFO: NNAPI accelerators available: [google-edgetpu,nnapi-reference]
INFO: Loaded model /data/local/tmp/sr/m.tflite
INFO: Created TensorFlow Lite delegate for NNAPI.
INFO: NNAPI delegate created.
INFO: Though NNAPI delegate is explicitly applied, the model graph will not be executed by the \
delegate.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
VERBOSE: Replacing 14 out of 14 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 \
partitions for subgraph 0 (main).
INFO: count=1 curr=30000

INFO: count=50 first=21500 curr=21100 min=21000 max=22000 avg=21140 std=120 p5=21000 median=21100 \
p95=21600

INFO: Inference timings in us: Init: 9210, First inference: 30000, Warmup (avg): 30000, \
Inference (avg): 21140
"""

NNAPI_PARTLY = """\
INFO: NNAPI accelerators available: [google-edgetpu]
VERBOSE: Replacing 11 out of 14 node(s) with delegate (TfLiteNnapiDelegate) node, yielding 2 \
partitions for subgraph 0 (main).
INFO: Explicitly applied NNAPI delegate, and the model graph will be partially executed by the \
delegate w/ 1 delegate kernels.
VERBOSE: Replacing 3 out of 4 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 2 \
partitions for subgraph 0 (main).
INFO: count=50 curr=12000(all same)
"""

REFUSED = """\
INFO: STARTING!
INFO: NNAPI accelerators available: [google-edgetpu,nnapi-reference]
ERROR: Could not find the specified NNAPI accelerator: tpu. Must be one of: \
{google-edgetpu,nnapi-reference}.
ERROR: Failed to apply NNAPI delegate.
ERROR: Benchmarking failed.
"""

# Without p5, median and p95, and in an older order, as programs before 2023 print it.
OLD = """\
STARTING!
Min num runs: [1000]
Graph: [/data/local/tmp/model.tflite]
count=478 first=2104 curr=1017 min=1012 max=2104 avg=1041.15 std=63
count=1000 first=1040 curr=1018 min=1012 max=1190 avg=1.06066e+06 std=22
Inference timings in us: Warmup: 1041.15, Init: 17851, Inference: 1039.66
"""

LITERT = """\
INFO: [benchmark_litert_model.cc:120] Loading model from: /data/local/tmp/sr/m.tflite
INFO: [benchmark_litert_model.h:62]
========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:64] Model initialization: 1.57 ms
INFO: [benchmark_litert_model.h:65] Warmup (first):       83.45 ms
INFO: [benchmark_litert_model.h:67] Warmup (avg):         77.85 ms (2 runs)
INFO: [benchmark_litert_model.h:69] Inference (avg):      72.49 ms (10 runs)
INFO: [benchmark_litert_model.h:73] Inference (min):      70.10 ms
INFO: [benchmark_litert_model.h:75] Inference (max):      75.20 ms
INFO: [benchmark_litert_model.h:77] Inference (std):      1.25
INFO: [benchmark_litert_model.h:99] Init footprint:       4.00 MB
INFO: [benchmark_litert_model.h:106] Peak memory:          21.50 MB
"""

LOGCAT = (
    "09-15 12:00:00.000  4000  4001 I tflite  : Inference timings in us: Init: 5685, "
    "First inference: 18535, Warmup (avg): 14462.3, Inference (avg): 14575.2\n"
)

PROFILE_CSV = """\
Profiling Info for Benchmark Initialization:
============================== Run Order ==============================
node type, first, avg_ms, %, cdf%, mem KB, times called, name
AllocateTensors, 0.5, 0.5, 100%, 100%, 0, 1, AllocateTensors/0

Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
node type, first, avg_ms, %, cdf%, mem KB, times called, name
QUANTIZE, 0.21, 0.2, 4%, 4%, 0, 1, serving_default_input:0
TfLiteNnapiDelegate, 4.9, 4.8, 96%, 100%, 0, 1, StatefulPartitionedCall:0

============================== Top by Computation Time ==============================
node type, first, avg_ms, %, cdf%, mem KB, times called, name
TfLiteNnapiDelegate, 4.9, 4.8, 96%, 96%, 0, 1, StatefulPartitionedCall:0

Number of nodes executed: 2
============================== Summary by node type ==============================
node type, count, avg_ms, avg %, cdf %, mem KB, times called
TfLiteNnapiDelegate, 1, 4.8, 96%, 96%, 0, 1

Timings (microseconds): count=50 first=5100 curr=5000 min=4990 max=5200 avg=5000 std=10
Memory (bytes): count=0
2 nodes observed

Delegate internal:
============================== Run Order ==============================
node type, first, avg_ms, %, cdf%, mem KB, times called, name
Convolution (NHWC\t QS8), 4.1, 4.0, 83%, 83%, 0, 1, Delegate/Convolution:0
"""

PROFILE_TEXT = """\
Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
\t             [node type]\t          [start]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\
\t[times called]\t[Name]
\t                 CONV_2D\t            0.066\t   87.754\t   60.957\t  2.066%\t  2.066%\t     0.000\
\t        1\t[model/conv, first/Relu]:0
\t       DEPTHWISE_CONV_2D\t           61.033\t   53.628\t   49.870\t  1.691%\t  3.757%\t     0.000\
\t        1\t[model/depthwise]:1

============================== Top by Computation Time ==============================
"""
