"""A clip behind which the picture is only scaled or shifted goes whole; the scale stays."""

import numpy as np
import pytest

from export.inspecting.inspection import inspect_model
from export.inspecting.plan import plan_strip
from export.stripping.strip import strip_model
from sr_models.quantization.grids import Grid
from sr_models.tflite.unpacked import unpack
from tests.export.fuzz import seed_files
from tests.tiny_files import TinyFile, clipped_file, loose_grid, pixel_grid

SIGNED = Grid("int8", float(np.float32(2 / 255)), 0)
LOOSE_SIGNED = Grid("int8", float(np.float32(2.6 / 255)), -3)


def scaled(steps, *, top=1.0, before=None, after=None, ends=()):
    """A convolution, `MINIMUM` and `RELU` (or `MAXIMUM`), and behind them scales and shifts.

    Args:
        steps: Name and constant of each operator behind the clip.
        top: Upper bound.
        before: Grid of the convolution.
        after: Grid behind a `RELU`; without it `MAXIMUM` bounds at `-top`.
        ends: Grid behind each step.
    """
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    tensor = file.depth_to_space(file.convolution(picture, before or loose_grid(), channels=12))
    tensor = file.bound("MINIMUM", tensor, top)
    tensor = file.rectifier("RELU", tensor, after) if after else file.bound("MAXIMUM", tensor, -top)
    for (name, value), grid in zip(steps, ends):
        shape, index = file.graph.tensors[tensor].shape, len(file.graph.operators)
        held = Grid("int8", float(np.float32(abs(value) / 127)), 0)
        constant = file.tensor(f"c{index}", (), grid=held, data=127 if value > 0 else -127)
        source, tensor = tensor, file.tensor(f"{name}{index}", shape, grid=grid)
        file.operator(name, [source, constant], [tensor], version=2)
    return file.finished([picture], [tensor])


BYTES = pixel_grid(white=255.0)
TAILS = {
    "clip(0..1) * 255": scaled([("MUL", 255.0)], after=pixel_grid(), ends=[BYTES]),
    "clip(0..1) * 255 + 16": scaled(
        [("MUL", 255.0), ("ADD", 16.0)], after=pixel_grid(), ends=[BYTES, BYTES]
    ),
    "(clip(-1..1) + 1) * 127.5": scaled(
        [("ADD", 1.0), ("MUL", 127.5)],
        before=LOOSE_SIGNED,
        ends=[pixel_grid(white=2.0), BYTES],
    ),
}


@pytest.mark.parametrize("name", TAILS)
def test_the_whole_clip_goes_and_the_scale_stays(name, sandbox):
    stripped = strip_model(TAILS[name], sandbox=sandbox)
    assert len(stripped.removed_ops) == 2
    assert stripped.agreement.max_abs_code_difference <= stripped.bound <= 1
    left = [op.name for op in unpack(stripped.content).graph.operators]
    assert left[:2] == ["CONV_2D", "DEPTH_TO_SPACE"]
    assert not {"MINIMUM", "MAXIMUM", "RELU"} & set(left)
    if name.startswith("clip(0..1) * 255"):
        # The clip's own grid is that of pixels: the producer stores on it.
        (grid,) = {str(site.grid) for site in stripped.plan.sites if site.grid}
        assert grid == str(pixel_grid())


def test_what_is_mirrored_is_no_scale():
    plan = plan_strip(unpack(scaled([("MUL", -1.0)], after=pixel_grid(), ends=[SIGNED])))
    assert any("MUL (operator 4) computes with what the clip writes" in why for why in plan.left)


def test_after_strip_nobody_advises_it_again(sandbox):
    contents = [*TAILS.values(), *seed_files(), clipped_file("RELU6", "MINIMUM", "RELU")]
    stripped = 0
    for content in contents:
        plan = plan_strip(unpack(content))
        if plan.obstacles or not plan.sites:
            continue
        stripped += 1
        after = strip_model(content, sandbox=sandbox, probes=1).content
        assert plan_strip(unpack(after)).sites == ()
        told = inspect_model(after, sandbox=sandbox).findings
        assert not [f for f in told if "sr-export strip" in f.fix and f.id != "contract"]
    assert stripped > 10
