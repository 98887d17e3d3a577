"""Pictures or whole folders upscaled from disk to disk."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.running.interpreters import open_model
from runtime_bench.upscaling.photographs import Canvas, read_photograph
from runtime_bench.upscaling.upscaler import Upscaler
from sr_models.ground.arguments import a_path, having, several, takes
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.ground.files import refuse_existing
from sr_models.ground.pixel_range import PixelRange
from sr_models.tflite.flatbuffer import read_graph


@dataclass(frozen=True)
class UpscaledPicture:
    """One picture that was upscaled.

    Attributes:
        source: Path of the picture.
        written: Path of what was written.
        width: Width of the input in pixels.
        height: Height of the input in pixels.
        scale: Scale factor.
        tiles: Number of tiles; 1 for a picture in one piece.
        tile_height: Height that the file ran at.
        tile_width: Width that the file ran at.
        seconds: Time for all tiles, without reading and writing.
        notices: What was left behind or changed, in words.
    """

    source: str
    written: str
    width: int
    height: int
    scale: int
    tiles: int
    tile_height: int
    tile_width: int
    seconds: float
    notices: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "notices": list(self.notices)}


def find_model(path: str | Path) -> Path:
    """A file as it is; of a folder that an export wrote, the `.tflite` file of the largest input.

    Raises:
        ModelFileError: The folder holds none.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.tflite"))
    if not found:
        raise ModelFileError(
            f"expected a .tflite file in {path}, found none; give what sr-export wrote"
        )

    def pixels(file: Path) -> int:
        graph = read_graph(file)
        shape = graph.tensors[graph.inputs[0]].shape if graph.inputs else ()
        return shape[1] * shape[2] if len(shape) == 4 else 0

    return max(found, key=pixels)


@takes(
    upscaler=having("upscale", "scale", what="an upscaler", cure="give open_upscaler(path)"),
    todo=several(several(a_path, what="two paths", least=2), what="pairs of paths", least=0),
)
def upscale_pictures(
    upscaler: Upscaler,
    todo: Sequence[tuple[Path, Path]],
    *,
    overwrite: bool = False,
    on_tile: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> list[UpscaledPicture]:
    """Upscale pictures one after the other; each is written whole before the next is read.

    Args:
        upscaler: The file.
        todo: Pairs of a picture and where it goes.
        overwrite: Whether files that exist may be replaced.
        on_tile: Called with tiles done, their total in this picture, and its place among all.

    Raises:
        PictureError: A picture cannot be used; those before it stay written.
        OptionError: A picture would be replaced by its own enlargement.
        OutputError: A file exists or cannot be written.
    """
    for source, target in todo:
        refuse_existing(target, overwrite=overwrite, replaces=())
        if target.exists() and source.exists() and target.samefile(source):
            raise OptionError(
                f"expected an output beside the picture, found the picture itself: {source}; "
                "give another path"
            )
    results = []
    for number, (source, target) in enumerate(todo, start=1):
        photograph = read_photograph(source)
        canvas = Canvas(photograph, scale=upscaler.scale, path=target)
        note = f"picture {number} of {len(todo)}"
        start = time.perf_counter()
        plan = upscaler.upscale(
            photograph.pixels,
            canvas.paste,
            on_tile=lambda done, total, note=note: on_tile(done, total, note),
        )
        seconds = time.perf_counter() - start
        canvas.write()
        notices = list(photograph.notices)
        if plan.padded:
            notices.append(
                "the file cannot be run at this size; the picture was mirrored at its "
                "lower and right border and cut"
            )
        height, width = photograph.pixels.shape[:2]
        results.append(
            UpscaledPicture(
                str(source),
                str(target),
                width,
                height,
                upscaler.scale,
                plan.tiles,
                *plan.tile,
                seconds,
                tuple(notices),
            )
        )
    return results


def open_upscaler(
    model: str | Path,
    *,
    tile: tuple[int, int] | None,
    delegate: str,
    threads: int,
    pixels: PixelRange | None = None,
) -> Upscaler:
    """Open a file for upscaling.

    Raises:
        ModelFileError: It cannot be run, or is no super-resolution file.
    """
    runner = open_model(find_model(model), delegate=delegate, threads=threads)
    return Upscaler(runner, tile=tile, pixels=pixels)


def peak_memory_mb() -> float:
    """The most memory that this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
