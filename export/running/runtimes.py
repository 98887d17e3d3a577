"""The TFLite interpreters that can be installed, and the delegates they are run with."""

from __future__ import annotations

import difflib
import importlib
import struct
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sr_models.ground.errors import ModelFileError, OptionError

# Name of the resolver in the interpreter's `OpResolverType` per delegate name.
DELEGATES = {
    "xnnpack": "AUTO",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
# Module with the `Interpreter` per package; the first that is installed is taken.
RUNTIMES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tensorflow": "tensorflow.lite.python.interpreter",
}
MAX_THREADS = 256

# Where the tables of TFLite's schema keep their names (`VT_...` in the C++ it generates).
_TENSOR_NAME, _GRAPH_NAME, _CUSTOM_CODE, _SIGNATURE_KEY, _MAP_NAME = 10, 12, 6, 8, 4


@dataclass(frozen=True)
class Runtime:
    """An installed TFLite interpreter.

    Attributes:
        name: Package it comes from.
        version: That package's version.
        interpreter: Its `Interpreter` class.
        resolvers: Its `OpResolverType` enumeration.
    """

    name: str
    version: str
    interpreter: Any
    resolvers: Any

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def find_runtime(names: Sequence[str] = tuple(RUNTIMES)) -> Runtime:
    """The first installed interpreter of `names`.

    Raises:
        ModelFileError: None of them is installed.
    """
    for name in names:
        try:
            module = importlib.import_module(RUNTIMES[name])
            release = version(name)
        except (ImportError, PackageNotFoundError):
            continue
        return Runtime(name, release, module.Interpreter, module.OpResolverType)
    raise ModelFileError(
        f"expected one of {', '.join(names)} to run a .tflite file, found none installed; "
        "install ai-edge-litert"
    )


def require_delegate(name: str, known: Collection[str] = DELEGATES) -> str:
    """`name` itself; raises `OptionError` for one that is not among those known."""
    if isinstance(name, str) and name in known:
        return name
    near = difflib.get_close_matches(str(name).lower(), known, n=1)
    hint = f"; did you mean {near[0]}?" if near else "; give one of these"
    raise OptionError(f"expected a delegate of {', '.join(known)}, found {name!r}{hint}")


def require_threads(threads: int) -> int:
    """`threads` itself; raises `OptionError` outside of 1..`MAX_THREADS`."""
    wrong = isinstance(threads, bool) or not isinstance(threads, int)
    if wrong or not 1 <= threads <= MAX_THREADS:
        raise OptionError(f"expected 1 to {MAX_THREADS} threads, found {threads}; change --threads")
    return threads


def with_first_depth_to_space(data: bytes) -> bytes:
    """The same model with version 1 asked for wherever it uses `DEPTH_TO_SPACE`.

    The reference kernels of ai-edge-litert 2.3 are registered for version 1 of that operator
    alone, though they compute int8 (version 2) as well: the version says since when a type is
    allowed, and the kernel does not read it. Without this no int8 super-resolution file could be
    run on reference kernels.

    Args:
        data: A flatbuffer that an interpreter has already verified.
    """
    from ai_edge_litert import schema_py_generated as schema

    patched = bytearray(data)
    model = schema.Model.GetRootAs(patched, 0)
    for index in range(model.OperatorCodesLength()):
        table = model.OperatorCodes(index)
        version_field = table._tab.Offset(8)
        # Old converters wrote the deprecated field alone; new ones write both.
        code = max(table.BuiltinCode(), table.DeprecatedBuiltinCode())
        if code == schema.BuiltinOperator.DEPTH_TO_SPACE and version_field:
            struct.pack_into("<i", patched, table._tab.Pos + version_field, 1)
    return bytes(patched)


def with_text_names(data: bytes) -> bytes:
    """The same model, its names as ASCII where they are no UTF-8, which interpreters here demand.

    Args:
        data: A flatbuffer that has been verified.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        return _with_text_names(data, schema)
    except (struct.error, IndexError, TypeError, ValueError, AttributeError):
        return data  # Not verified after all; the interpreter says what is wrong with it.


def _with_text_names(data: bytes, schema) -> bytes:
    patched: bytearray | None = None
    model = schema.Model.GetRootAs(data, 0)
    tables = [(model.OperatorCodes(i), _CUSTOM_CODE) for i in range(model.OperatorCodesLength())]
    for i in range(model.SubgraphsLength()):
        graph = model.Subgraphs(i)
        tables.append((graph, _GRAPH_NAME))
        tables += [(graph.Tensors(j), _TENSOR_NAME) for j in range(graph.TensorsLength())]
    for i in range(model.SignatureDefsLength()):
        entry = model.SignatureDefs(i)
        tables.append((entry, _SIGNATURE_KEY))
        tables += [(entry.Inputs(j), _MAP_NAME) for j in range(entry.InputsLength())]
        tables += [(entry.Outputs(j), _MAP_NAME) for j in range(entry.OutputsLength())]
    for table, field in tables:
        place = table._tab.Offset(field)
        if not place:
            continue
        start = table._tab.Indirect(place + table._tab.Pos)
        (length,) = struct.unpack_from("<I", data, start)
        name = data[start + 4 : start + 4 + length]
        try:
            name.decode()
        except UnicodeDecodeError:
            patched = patched or bytearray(data)
            patched[start + 4 : start + 4 + length] = bytes(b if b < 128 else 63 for b in name)
    return data if patched is None else bytes(patched)


DELEGATE_NODE = "DELEGATE"


@dataclass(frozen=True)
class Delegation:
    """How a graph is shared between a delegate and the interpreter's own kernels.

    Attributes:
        delegated_nodes: Nodes of the file that run inside a delegate.
        total_nodes: Nodes of the file (its first subgraph).
        partitions: Delegate kernels that stand for those nodes; more than one means that data
            goes back and forth.
        left_behind: Operator names of the nodes that the delegate did not take, in order.
    """

    delegated_nodes: int
    total_nodes: int
    partitions: int
    left_behind: tuple[str, ...]

    def worse_than(self, other: Delegation) -> tuple[str, ...]:
        """What is worse here than there, in words; empty where nothing is.

        Operators that the delegate does not take cost more than those that it takes, and so does
        every further partition, since data goes back and forth. How long those inside take is not
        said.
        """
        reasons = []
        if self.partitions > max(1, other.partitions):
            reasons.append(f"{self.partitions} partitions instead of {other.partitions}")
        if len(self.left_behind) > len(other.left_behind):
            further = Counter(self.left_behind) - Counter(other.left_behind)
            names = ", ".join(f"{count} {name}" for name, count in sorted(further.items()))
            reasons.append(
                f"{len(self.left_behind)} operators left to the CPU instead of "
                f"{len(other.left_behind)}, {names} more"
            )
        return tuple(reasons)

    def to_json(self) -> dict:
        """Counts, and the names of what was left behind."""
        return {
            "delegated_nodes": self.delegated_nodes,
            "total_nodes": self.total_nodes,
            "partitions": self.partitions,
            "left_behind": list(self.left_behind),
        }


def read_delegation(operators: Sequence[Mapping[str, Any]]) -> Delegation:
    """Count delegated nodes in an interpreter's list of operators after allocation.

    Applying a delegate keeps every node of the file in that list and appends one node named
    `DELEGATE` per partition, whose inputs and outputs are the tensors at the partition's edge. A
    node is thus delegated exactly if it produces a tensor that lies between those edges, which is
    found by walking from the outputs back to the inputs. Checked against ai-edge-litert with
    node fusion disabled, where every delegated node becomes a `DELEGATE` node of its own.

    Args:
        operators: What `Interpreter._get_ops_details()` returns: `op_name`, `inputs` and
            `outputs` (tensor indices) per node.
    """
    nodes = [op for op in operators if op["op_name"] != DELEGATE_NODE]
    partitions = [op for op in operators if op["op_name"] == DELEGATE_NODE]
    producer = {
        int(tensor): index for index, node in enumerate(nodes) for tensor in node["outputs"]
    }
    taken: set[int] = set()
    for partition in partitions:
        edge = {int(tensor) for tensor in partition["inputs"]}
        pending = [int(tensor) for tensor in partition["outputs"]]
        while pending:
            tensor = pending.pop()
            index = producer.get(tensor)
            if tensor in edge or index is None or index in taken:
                continue
            taken.add(index)
            pending.extend(int(source) for source in nodes[index]["inputs"])
    return Delegation(
        delegated_nodes=len(taken),
        total_nodes=len(nodes),
        partitions=len(partitions),
        left_behind=tuple(n["op_name"] for i, n in enumerate(nodes) if i not in taken),
    )
