"""Where the operators of a network's int8 file run: in the delegate or outside of it, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from export.running.interpreters import open_model
from export.running.runtimes import Delegation
from sr_models.networks.presets import Preset

if TYPE_CHECKING:
    from sr_models.tflite.flatbuffer import FileGraph, OperatorInfo

SIDE = 64
"""Height and width of the files; which operators are taken does not depend on them."""


MOST_JOINED = 5
"""Tensors that XNNPACK concatenates at once."""


REASONS = {
    "interface": "XNNPACK converts no uint8 codes; a file with `--io int8` has no such operator",
    "prelu": 'XNNPACK has no int8 PReLU; the family\'s `activation="relu"` has one partition',
    "concatenation": f"XNNPACK joins at most {MOST_JOINED} tensors at once",
}


UNKNOWN = "unknown"


@dataclass(frozen=True)
class LeftBehind:
    """Operators of one kind that the interpreter's own kernels run.

    Attributes:
        op: Name of the operator.
        count: How many are left behind.
        reason: Key of `REASONS` where it explains every one of them, else `UNKNOWN`.
    """

    op: str
    count: int
    reason: str


@dataclass(frozen=True)
class Placement:
    """Where the operators of a network's int8 file run.

    Attributes:
        name: Name of the preset.
        trained: Whether the file has the shipped weights; else the network is untrained.
        delegated_nodes: Operators that XNNPACK took.
        total_nodes: Operators in the file.
        partitions: Delegate kernels that stand for those taken.
        left_behind: The others.
    """

    name: str
    trained: bool
    delegated_nodes: int
    total_nodes: int
    partitions: int
    left_behind: tuple[LeftBehind, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "name": self.name,
            "trained": self.trained,
            "delegated_nodes": self.delegated_nodes,
            "total_nodes": self.total_nodes,
            "partitions": self.partitions,
            "left_behind": [vars(left) for left in self.left_behind],
        }


def explain(graph: FileGraph, left_behind: Sequence[str]) -> tuple[LeftBehind, ...]:
    """The operators left behind by kind, each with a reason if that explains just as many.

    Args:
        graph: The file.
        left_behind: Names of its operators that the delegate did not take.
    """
    expected = Counter((op.name, _reason(graph, op)) for op in graph.operators)
    return tuple(
        LeftBehind(
            name,
            count,
            next((key for key in REASONS if expected[name, key] == count), UNKNOWN),
        )
        for name, count in sorted(Counter(left_behind).items())
    )


def _reason(graph: FileGraph, op: OperatorInfo) -> str | None:
    dtypes = {graph.tensors[index].dtype for index in (*op.inputs, *op.outputs) if index >= 0}
    if op.name == "QUANTIZE" and "uint8" in dtypes:
        return "interface"
    if op.name == "PRELU" and "int8" in dtypes:
        return "prelu"
    if op.name == "CONCATENATION" and len(op.inputs) > MOST_JOINED:
        return "concatenation"
    return None


def placement_of(content: bytes, *, name: str, trained: bool) -> Placement | None:
    """Open a file with XNNPACK and ask; `None` where this interpreter does not tell."""
    from sr_models.tflite.flatbuffer import read_graph

    found: Delegation | None = open_model(content, delegate="xnnpack").delegation
    if found is None:
        return None
    return Placement(
        name,
        trained,
        found.delegated_nodes,
        found.total_nodes,
        found.partitions,
        explain(read_graph(content), found.left_behind),
    )


def measure_placement(preset: Preset) -> Placement | None:
    """Export a network at a small size, clip-free with uint8 codes, and see where it runs."""
    from export.exporting.conversion import convert_with_ranges
    from representative_data.cfqp import build_natural_dataset
    from representative_data.observation import observe_ranges, pin_pixels
    from representative_data.pictures import bundled_pictures
    from representative_data.tiles import load_tiles
    from sr_models.networks.network import build_trunk, load_trunk
    from sr_models.networks.tails import attach_tail

    trained = preset.weights_path.is_file()
    trunk = load_trunk(preset) if trained else build_trunk(preset)
    model = attach_tail(trunk, "relu", scale=preset.scale)
    tiles = load_tiles(bundled_pictures(), scale=preset.scale, count=2, side=SIDE)
    dataset = build_natural_dataset(model, tiles, network=preset.name, scale=preset.scale)
    ranges = pin_pixels(observe_ranges(model, dataset), model)
    content = convert_with_ranges(
        model, ranges, sample=dataset.pictures[0], height=SIDE, width=SIDE
    )
    return placement_of(content, name=preset.name, trained=trained)
