"""Whether a file can be exported, and if not, what stands in the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sr_models.ground.bundled import bundled_pieces
from sr_models.ground.errors import LayerError, NetworkError


@dataclass(frozen=True)
class Readiness:
    """What `sr-export model` would make of a file.

    Attributes:
        taken: Whether it takes it.
        reason: Why not, in one line.
        operators_in_the_way: Names of all operators that nothing reads.
        scale: Scale factor s.
        channels: 3 for RGB, 1 for luma.
        clips: What the file calls the output clips that would be taken out.
        pixels_in: What black and white are for the input.
        pixels_out: And for the output.
        notes: What would be said of it, one sentence each.
    """

    taken: bool
    reason: str | None = None
    operators_in_the_way: tuple[str, ...] = ()
    scale: int | None = None
    channels: int | None = None
    clips: tuple[str, ...] = ()
    pixels_in: tuple[float, float] | None = None
    pixels_out: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.taken:
            kind = "RGB" if self.channels == 3 else "luma"
            ends = " to ".join(f"{a:g}..{b:g}" for a, b in (self.pixels_in, self.pixels_out))
            clips = f"output clip {', '.join(self.clips)}" if self.clips else "no output clip"
            return f"yes: x{self.scale}, {kind}, pixels {ends}, {clips}"
        if self.operators_in_the_way:
            return f"no: {', '.join(self.operators_in_the_way)} in the way"
        return f"no: {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """The attributes; `clips` as `removed_clips`."""
        return {
            "in_words": str(self),
            "taken": self.taken,
            "reason": self.reason,
            "operators_in_the_way": list(self.operators_in_the_way),
            "scale": self.scale,
            "channels": self.channels,
            "removed_clips": list(self.clips),
            "pixels_in": self.pixels_in and list(self.pixels_in),
            "pixels_out": self.pixels_out and list(self.pixels_out),
            "notes": list(self.notes),
        }


def readiness_of(
    path: str | Path, *, pictures: Callable[[], Sequence[np.ndarray]] = bundled_pieces
) -> Readiness:
    """Read a file as an export would, without running it.

    Args:
        path: Of a file or folder that `sr_models.open_network` takes.
        pictures: Returns uint8 (h, w, 3) natural pictures to find black and white by.
    """
    from sr_models.importing.sources import read_unrun

    try:
        adopted, notes = read_unrun(str(path), pictures=pictures)
    except NetworkError as error:
        found = error.operators if isinstance(error, LayerError) else _in_the_way(Path(path))
        return Readiness(False, str(error), found)
    white = adopted.pixels
    return Readiness(
        True,
        scale=adopted.scale,
        channels=adopted.channels,
        clips=adopted.clips,
        pixels_in=(white.input_black, white.input),
        pixels_out=(white.output_black, white.output),
        notes=notes,
    )


def _in_the_way(path: Path) -> tuple[str, ...]:
    """Names of the operators that nothing reads; none where something else is wrong."""
    from sr_models.importing.source_kinds import kind_of

    try:
        kind = kind_of(str(path))
        if kind == "onnx":
            return _unread_of_onnx(path)
        if kind != "tflite":
            return ()
        from sr_models.importing.tflite_file import unread_operators

        return unread_operators(path)
    except NetworkError:
        return ()


def _unread_of_onnx(path: Path) -> tuple[str, ...]:
    from sr_models.importing.onnx_file import parse_onnx
    from sr_models.importing.onnx_graph import is_known, needed_nodes
    from sr_models.importing.onnx_reader import known_as

    graph = parse_onnx(path).graph
    nodes = needed_nodes(graph) if graph.output else []
    return tuple(dict.fromkeys(known_as(node.op_type) for node in nodes if not is_known(node)))
