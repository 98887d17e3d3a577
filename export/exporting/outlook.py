"""How much work an export is, part by part, so that what is left of it can be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tf_keras

from export.exporting.settings import ExportSettings
from export.quantizing.defaults import DEFAULT_RECIPE
from export.quantizing.recipe import AUTO, dataset_of, parse_recipe
from representative_data.anchors import MOST_QUESTIONS
from sr_models.networks.density import multiply_adds_per_pixel

SHAPING = "shaping the representative dataset"
COUNTING = "counting operators beside the clipped baseline"
KERNELS = "comparing kernels"
AUDITING = "auditing the files"
TIMING = "timing beside the clipped baseline"

_SPEED = 5e10
"""Multiply-adds a second of two cores. What a machine really does shows as the work goes on."""
_SLOPE = 6.0
"""Runs that a run with derivatives by TensorFlow takes as long as."""
_SIMULATED = 3.0
_INTEGERS = 20.0
"""The same for fake quantization, and for the integer network."""
_METHODS = {
    # Seconds at least, and runs of a tile.
    "relus": (0.2, 0.0),
    "groups": (0.3, 16.0),
    "equalize": (1.5, 64.0 + 16.0 * _SLOPE),
    "rotate": (1.0, 64.0 + 16.0 * _SLOPE),
    "split": (2.0, 128.0 + 128.0 + 16.0 * _SLOPE),
    "sums": (0.2, 0.0),
    "bounded": (0.1, 0.0),
    "bias": (1.0, 32.0 * (1.0 + _SIMULATED)),
    "adaround": (2.0, 64.0 * (1.0 + _SIMULATED)),
}
_OTHER = (3.0, 50.0)
_ROWS = 24_000


def planned_parts(
    model, settings: ExportSettings, *, shapes: bool = True, check_speed: bool = False
) -> dict[str, float]:
    """What the steps of an export say as they begin, and about how many seconds each takes.

    Args:
        model: Float functional Keras network.
        settings: Every choice, tiles as many and as large as they will be.
        shapes: Whether a representative dataset is shaped.
        check_speed: Whether files are timed.
    """
    chosen, shaping = settings.quantizing, settings.shaping
    each = multiply_adds_per_pixel(model) or 1e5
    run = each * shaping.tile_side**2 / _SPEED
    asked = shaping.pictures if dataset_of(chosen.recipe) == "natural" else 3 * shaping.pictures
    if shaping.anchors:
        asked += MOST_QUESTIONS
    parts = {SHAPING: 1.5 + asked * run} if shapes else {}
    quantized = chosen.precision != "float32" and chosen.calibrator != "converter"
    if quantized:
        recipe = parse_recipe(DEFAULT_RECIPE if chosen.recipe == AUTO else chosen.recipe)
        for method in recipe.methods:
            least, runs = _METHODS.get(method.name, _OTHER)
            parts[f"quantizing: {method.name}"] = least + runs * run
        if "quantizing: adaround" in parts:
            parts["quantizing: adaround"] += _rounding(model)
    for size in settings.files.sizes:
        pixels = (size.height or shaping.tile_side) * (size.width or shaping.tile_side)
        parts[f"converting for {size}"] = 2.0 + each * pixels / (_SPEED / 5.0)
    parts[COUNTING] = 1.5
    if chosen.precision == "int8":
        parts[KERNELS] = 1.5 + 4.0 * (_SIMULATED + _INTEGERS) * run
    parts[AUDITING] = 1.0 + 2.0 * 32.0 * run * len(settings.files.sizes)
    if check_speed:
        parts[TIMING] = 10.0
    return parts


def _rounding(model) -> float:
    """Seconds for the equations of AdaRound: moments of the inputs, and one code after another."""
    total = 0.0
    for layer in model.layers:
        if type(layer) is tf_keras.layers.Conv2D:
            height, width, reads, _ = layer.kernel.shape
            inputs = height * width * reads
            total += _ROWS * inputs**2 * layer.groups / _SPEED + 4e-3 * inputs * layer.groups
    return total


class Outlook:
    """Knows how much of the planned work is done.

    Nothing but what is said as parts begin leads it, so that a part which is left out counts as
    done as soon as a later one begins.
    """

    def __init__(self, parts: Mapping[str, float], *, on_progress: Callable[[int, int], None]):
        """Nothing is done yet.

        Args:
            parts: Part -> its share of the work, in any unit, in their order.
            on_progress: Called with the work done and all of it, in hundredths of that unit.
        """
        self._parts, self._on_progress = dict(parts), on_progress
        self._before, self._current = 0.0, 0.0

    def begin(self, part: str) -> None:
        """A part begins; what is none, or lies behind, changes nothing."""
        names = list(self._parts)
        if part not in self._parts:
            return
        before = sum(self._parts[name] for name in names[: names.index(part)])
        if before >= self._before:
            self._before, self._current = before, self._parts[part]
            self.step(0, 1)

    def step(self, done: int, total: int) -> None:
        """So much of the part that has begun is done."""
        reached = self._before + self._current * (done / total if total else 0.0)
        self._on_progress(round(100 * reached), round(100 * sum(self._parts.values())))
