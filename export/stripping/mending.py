"""Repairs of input and output carried out and checked against the file as it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from export.inspecting.inspection import pixels_in_child
from export.running.pixel_range import FilePixels
from export.stripping.proof import compare_outputs
from export.stripping.repair_io import Repair, plan_repairs, repair, same_values
from export.tflite.packing import require_repackable
from sr_models.ground.child import Crash, Sandbox
from sr_models.ground.errors import ModelFileError
from sr_models.ground.pixel_range import PixelRange
from sr_models.quantization.grids import Grid
from sr_models.tflite.files import ModelFile, read_model
from sr_models.tflite.unpacked import unpack

# Where biases are rounded anew, a first layer's codes flip at ties and later layers carry it on, as
# between two kernels; a wrong scale moves the whole picture.
_ROUNDING_NOISE = 0.75


@dataclass(frozen=True)
class Mended:
    """A file whose input and output are pixels as far as that could be had.

    Attributes:
        content: The new file.
        repairs: What was repaired.
        obstacles: What could not be, and why.
        max_abs_code_difference: Greatest difference to the old file fed with the same real values
            and read as real values.
        mean_abs_code_difference: Mean of the differences.
        sha256: SHA-256 of the new file.
        pixels: What black and white are for it, and how that was found.
    """

    content: bytes = field(repr=False)
    repairs: tuple[Repair, ...]
    obstacles: tuple[str, ...]
    max_abs_code_difference: float
    mean_abs_code_difference: float
    sha256: str
    pixels: FilePixels

    def to_json(self) -> dict[str, Any]:
        """Everything but the content."""
        return {
            "repaired": [one.to_json() for one in self.repairs],
            "not_repaired": list(self.obstacles),
            "max_abs_code_difference": self.max_abs_code_difference,
            "mean_abs_code_difference": self.mean_abs_code_difference,
            "sha256": self.sha256,
            "pixels": self.pixels.to_json(),
        }


def mend_io(
    file: ModelFile,
    *,
    sandbox: Sandbox,
    limit: int = 1,
    probes: int | None = None,
    pixels: PixelRange | None = None,
) -> Mended:
    """Give input and output of a file the scale of pixels where that is exact.

    Args:
        file: The file; nothing is wrong with one that keeps the pixel contract, and it comes back
            as it is.
        sandbox: A child process to run the old and the new file in.
        limit: Codes that an output may be away from the old one, rounded to pixels.
        probes: Run so many of the probes only.
        pixels: What black and white are for the file; found by default.

    Raises:
        ModelFileError: The file is damaged, or the repaired one failed the check.
    """
    model = unpack(file)
    require_repackable(model)
    known = pixels_in_child(file, sandbox, given=pixels)
    repairs, obstacles = plan_repairs(model, limit=limit, pixels=known.range)
    greatest = mean = 0.0
    # The output first, whose difference is bounded; then the input, whose only noise is rounding.
    for one in sorted(repairs, key=lambda one: one.role, reverse=True):
        before = unpack(file)
        content = repair(before, [one])
        found = _compare(file, content, one, model=before, sandbox=sandbox, probes=probes)
        worst = found["max_abs_code_difference"]
        if one.role == "output" and worst > one.bound:
            raise _failed(file, f"pixels differ by {worst:g} where {one.bound} was proved")
        if one.role == "input" and found["mean_abs_code_difference"] > _ROUNDING_NOISE:
            raise _failed(
                file, f"pixels differ by {found['mean_abs_code_difference']:.2f} on average"
            )
        greatest = max(greatest, worst)
        mean = max(mean, found["mean_abs_code_difference"])
        file = ModelFile(file.name, content, read_model(content).sha256)
    return Mended(file.data, tuple(repairs), tuple(obstacles), greatest, mean, file.sha256, known)


def _compare(
    file: ModelFile, content: bytes, one: Repair, *, model, sandbox: Sandbox, probes: int | None
) -> dict[str, Any]:
    options: dict[str, Any] = {"steps": [1.0], "probes": probes}
    if one.role == "input":
        options["levels"] = same_values(one.before, one.after)
        grid = model.grid(model.graph.outputs[0])
        options["steps"] = [1.0 if grid else _real_step(model)]
    else:
        options["reread"] = [[*_pair(one.before), *_pair(one.after)]]
    try:
        return sandbox.call(compare_outputs, file.data, content, **options)
    except (Crash, ModelFileError) as error:
        raise _failed(file, f"it could not be run beside the new file: {error}") from None


def _real_step(model) -> float:
    op = model.producers.get(model.graph.outputs[0])
    grid = model.grid(op.inputs[0]) if op is not None and op.inputs else None
    return grid.scale if grid else 1.0


def _pair(grid: Grid) -> tuple[float, int]:
    return grid.scale, grid.zero_point


def _failed(file: ModelFile, why: str) -> ModelFileError:
    return ModelFileError(
        f"expected an input and output that can be repaired, found {file.name}, where {why}; use "
        "the file without --repair-io"
    )
