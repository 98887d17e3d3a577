"""Where the work runs: which nodes of a graph a delegate has taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
