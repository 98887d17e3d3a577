"""Fake quantization in a TensorFlow graph: its operators, and the graph without them.

What such a graph computes lies on grids; a float network beside it differs by single steps wherever
a value is near the middle of two. So a network that was read is held against the graph without that
rounding, weights excepted.
"""

from __future__ import annotations

FAKE_QUANTIZATION = (
    "FakeQuantWithMinMaxVars",
    "FakeQuantWithMinMaxVarsPerChannel",
    "FakeQuantWithMinMaxArgs",
)


def without_fake_quantization(nodes, reached: set[str]) -> None:
    """Take the rounding of tensors out of a graph, and leave that of weights.

    Args:
        nodes: `tf.compat.v1.GraphDef` without calls, changed in place.
        reached: Names of the operators that depend on the picture.
    """
    for node in nodes.node:
        if node.op in FAKE_QUANTIZATION and node.name in reached:
            kept = node.input[0]
            node.op = "Identity"
            node.ClearField("input")
            node.input.append(kept)
            node.ClearField("attr")
            node.attr["T"].type = 1  # float32
