"""`runtime_info.pb`, which `benchmark_model` writes: every node, and which delegate took it.

`tflite.profiling.ModelRuntimeDetails` of google-ai-edge/LiteRT,
tflite/profiling/proto/model_runtime_info.proto at 30e2f4165b7d; who fills it:
tflite/profiling/model_runtime_info.cc at 12f8377eff40. A subgraph lists the file's nodes, those
that a delegate took among them, and behind them one node for each delegate kernel, with the numbers
of the nodes that it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runtime_bench.android.wire import Message, read_file

NAME = "runtime_info.pb"
# ModelRuntimeDetails.
_SUBGRAPHS = 2
# RuntimeSubgraph; the type of one that is not a delegate's own.
_SUBGRAPH_ID, _NODES, _PLAN, _SUBGRAPH_TYPE = 1, 3, 4, 5
_TFLITE = 1
# Node.
_NODE_ID, _NODE_NAME, _DELEGATE = 1, 2, 8
# DelegateNodeDetails.
_DELEGATE_NAME, _REPLACED = 1, 2


@dataclass(frozen=True)
class Kernel:
    """A node that stands for others.

    Attributes:
        node: Its own number.
        delegate: Name of its delegate, e.g. `TfLiteXNNPackDelegate`, `LITERT_CL`.
        replaced: Numbers of the nodes that it stands for.
    """

    node: int
    delegate: str
    replaced: frozenset[int]


@dataclass(frozen=True)
class Share:
    """What some delegate has of a graph.

    Attributes:
        name: Its own name; empty where it has nothing.
        nodes: How many nodes it took.
        total: How many there are.
        kernels: How many kernels stand for them.
        parts: Pieces of the graph in the order of execution, the delegate's and others in turn:
            what the runtime prints as `yielding N partitions`.
        left: Types of the nodes that it did not take, in the order of the file.
    """

    name: str
    nodes: int
    total: int
    kernels: int
    parts: int
    left: tuple[str, ...]


@dataclass(frozen=True)
class RuntimeInfo:
    """The main subgraph as it ran.

    Attributes:
        nodes: The file's nodes, number to type (`CONV_2D`).
        kernels: Delegates' nodes that ran.
        plan: Numbers of the nodes that ran, in order.
    """

    nodes: dict[int, str]
    kernels: tuple[Kernel, ...]
    plan: tuple[int, ...]

    def share_of(self, is_it: Callable[[str], bool]) -> Share:
        """What the delegate took whose name `is_it` accepts."""
        own = [kernel for kernel in self.kernels if is_it(kernel.delegate)]
        # A delegate may stand for the kernel of one before it.
        taken = {number for kernel in own for number in kernel.replaced} & self.nodes.keys()
        numbers = {kernel.node for kernel in own}
        turns = [number in numbers for number in self.plan]
        parts = sum(turn != before for turn, before in zip(turns, [None, *turns]))
        return Share(
            own[0].delegate if own else "",
            len(taken),
            len(self.nodes),
            len(own),
            parts,
            tuple(name for number, name in self.nodes.items() if number not in taken),
        )


def read_runtime_info(data: bytes | None) -> RuntimeInfo | None:
    """Read the file; `None` where the program wrote none.

    Raises:
        WireError: The file is cut, no message, or contradicts itself.
    """
    return read_file(data, NAME, _read)


def _read(message: Message) -> RuntimeInfo:
    graphs = message.messages(_SUBGRAPHS)
    main = next(
        (
            graph
            for graph in graphs
            if graph.integer(_SUBGRAPH_TYPE) in (None, _TFLITE)
            and graph.integer(_SUBGRAPH_ID) in (None, 0)
        ),
        None,
    )
    if main is None:
        raise message.wrong("no graph in it")
    nodes: dict[int, str] = {}
    kernels: dict[int, Kernel] = {}
    for node in main.messages(_NODES):
        number = node.integer(_NODE_ID)
        if number is None or number < 0 or number in nodes or number in kernels:
            raise message.wrong(f"two nodes of number {number}")
        details = node.message(_DELEGATE)
        if details is None:
            nodes[number] = node.text(_NODE_NAME) or "?"
            continue
        replaced = frozenset(details.integers(_REPLACED))
        # The name is optional, the node's own is the same.
        name = details.text(_DELEGATE_NAME) or node.text(_NODE_NAME) or "?"
        kernels[number] = Kernel(number, name, replaced)
    plan = main.integers(_PLAN)
    named = [*plan, *(number for kernel in kernels.values() for number in kernel.replaced)]
    if stray := [number for number in named if number not in nodes and number not in kernels]:
        raise message.wrong(f"a node {stray[0]} that it does not list")
    if not nodes:
        raise message.wrong("a graph without nodes")
    # A delegate that was taken back leaves its nodes behind, out of the plan.
    planned = set(plan)
    ran = tuple(kernel for kernel in kernels.values() if not plan or kernel.node in planned)
    return RuntimeInfo(nodes, ran, tuple(plan))
