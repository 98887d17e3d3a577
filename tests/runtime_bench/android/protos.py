"""The two files of `benchmark_model`, made by protobuf itself and not by what reads them here."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# tflite/tools/benchmark/proto/benchmark_result.proto; no package brings it compiled.
_LATENCY = "avg min max stddev median p5 p95 init first_inference average_warm_up"
_FIELDS = {
    "Latency": tuple(f"{name}_ms" for name in _LATENCY.split()),
    "Memory": ("init_footprint_kb", "overall_footprint_kb", "peak_mem_mb"),
    "Misc": ("model_size_mb", "num_runs", "num_warmup_runs", "model_throughput_in_mb_per_sec"),
}
_TYPES = {"init_footprint_kb": 3, "overall_footprint_kb": 3, "num_runs": 5, "num_warmup_runs": 5}


def _result_class():
    file = descriptor_pb2.FileDescriptorProto(name="result.proto", package="t", syntax="proto2")
    whole = descriptor_pb2.DescriptorProto(name="Result")
    whole.field.add(name="name", number=1, type=9, label=1)
    for place, (name, fields) in enumerate(_FIELDS.items(), start=2):
        part = file.message_type.add(name=name)
        for number, field in enumerate(fields, start=1):
            part.field.add(name=field, number=number, type=_TYPES.get(field, 2), label=1)
        whole.field.add(name=name.lower(), number=place, type=11, type_name=f".t.{name}", label=1)
    file.message_type.append(whole)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Result"))


def _details_class():
    """LiteRT's own message, from the description that its wheel brings.

    The modules are read and not imported: TensorFlow has messages of the same names, and one
    process takes one of each.
    """
    pool = descriptor_pool.DescriptorPool()
    for name in ("profiling_info_pb2", "model_runtime_info_pb2"):
        folder = Path(importlib.util.find_spec("ai_edge_litert").submodule_search_locations[0])
        words = ast.walk(ast.parse((folder / f"{name}.py").read_text()))
        texts = [word.value for word in words if isinstance(word, ast.Constant)]
        pool.AddSerializedFile(max((t for t in texts if isinstance(t, bytes)), key=len))
    found = pool.FindMessageTypeByName("tflite.profiling.ModelRuntimeDetails")
    return message_factory.GetMessageClass(found)


Result = _result_class()
ModelRuntimeDetails = _details_class()


def results_pb(*, runs=50, warmups=3, **latency) -> bytes:
    """`results.pb`; figures of `texts.LITERT` but for those given."""
    times = {
        "avg_ms": 72.49,
        "min_ms": 70.1,
        "max_ms": 75.2,
        "stddev_ms": 1.25,
        "median_ms": 72.4,
        "p5_ms": 70.25,
        "p95_ms": 74.9,
        "init_ms": 1.57,
        "first_inference_ms": 83.45,
        "average_warm_up_ms": 77.85,
    }
    return Result(
        name="run",
        latency={**times, **latency},
        memory={"init_footprint_kb": 4096, "overall_footprint_kb": 22016},
        misc={
            "model_size_mb": 0.0547,
            "num_runs": runs,
            "num_warmup_runs": warmups,
            "model_throughput_in_mb_per_sec": 12.5,
        },
    ).SerializeToString()


def runtime_info_pb(operators, taken, *, plan=None) -> bytes:
    """`runtime_info.pb` of a graph.

    Args:
        operators: Types of the file's nodes.
        taken: Name of a delegate to the nodes of each of its kernels.
        plan: What ran, in order; what is left of the nodes, then the kernels, by default.
    """
    details = ModelRuntimeDetails(model_name="main")
    graph = details.subgraphs.add(subgraph_id=0, subgraph_type=1, name="main")
    graph.edges.add(id=0, name="input", data_type=3, shape=[1, 4, 6, 3], size=72)
    for number, operator in enumerate(operators):
        graph.nodes.add(id=number, name=operator, type="3", inputs=[-1, 0], outputs=[1])
    number = len(operators)
    kernels = []
    for name, groups in taken.items():
        for nodes in groups:
            kernel = graph.nodes.add(id=number, name=name, type=name)
            kernel.delegate_node_details.delegate_name = name
            kernel.delegate_node_details.tflite_node_ids_replaced.extend(nodes)
            for node in nodes:
                graph.nodes[node].delegated_to_node_id = number
            kernels.append(number)
            number += 1
    gone = {node for groups in taken.values() for nodes in groups for node in nodes}
    left = [node for node in range(len(operators)) if node not in gone]
    graph.execution_plan.extend([*left, *kernels] if plan is None else plan)
    details.subgraphs.add(subgraph_id=0, subgraph_type=2, name="a delegate's own")
    return details.SerializeToString()
