"""What a layer costs whose quantizer int8 has no operator for: time and error, side by side.

One convolution of 3x3 with as many outputs as inputs, on a long-tailed input that is drawn from a
seed: a Laplace distribution, and one value in two hundred twenty times as wide. Errors are root
mean squares against the convolution of the real values with the kernel as it is stored, relative to
that result's own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from export.running.plan import Plan
from runtime_bench.evidence.studies import study
from runtime_bench.measuring.latency import measure_latency
from runtime_bench.measuring.machine import read_machine
from runtime_bench.measuring.options import ExportSize, Json, Runs, Seconds, sides
from runtime_bench.measuring.tables import protocol_lines
from sr_models.ground.console import print_table, say, write_json
from sr_models.ground.errors import OptionError
from sr_models.ground.native_output import import_tensorflow_quietly

if TYPE_CHECKING:
    from runtime_bench.evidence.layer_file import Kernel

QUANTILE = 0.99
OUTLIERS = 0.005
WIDER = 20.0
CODEBOOK_BITS = 4
SAMPLES = 4096


@dataclass(frozen=True)
class LayerCost:
    """One way to compute the layer.

    Attributes:
        layer: Which way.
        median_ms: Time of one inference.
        size_bytes: Size of the file.
        relative_error: Root mean square of the error over that of the result.
        delegated: Share of the operators that the delegate took; `None` where unknown.
    """

    layer: str
    median_ms: float
    size_bytes: int
    relative_error: float
    delegated: float | None

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def draw_layer(*, channels: int, height: int, width: int, seed: int) -> tuple[Kernel, np.ndarray]:
    """A kernel, and an input with long tails: float64 (1, h, w, C)."""
    if channels < 1:
        raise OptionError(f"expected at least 1 channel, found {channels}")
    from runtime_bench.evidence.layer_file import Kernel

    rng = np.random.default_rng(seed)
    spread = (9 * channels) ** -0.5
    values = rng.normal(0.0, spread, (3, 3, channels, channels)).astype(np.float32)
    kernel = Kernel(values, rng.normal(0.0, 0.1, channels).astype(np.float32))
    x = rng.laplace(0.0, 0.3, (1, height, width, channels))
    return kernel, np.where(rng.random(x.shape) < OUTLIERS, WIDER * x, x)


def measure_layers(
    *,
    channels: int = 32,
    height: int = 180,
    width: int = 320,
    seed: int = 0,
    plan: Plan | None = None,
    delegates: Sequence[str] = ("xnnpack",),
    on_stage: Callable[[str], None] = lambda stage: None,
) -> list[LayerCost]:
    """Time every way to compute one layer, interleaved, and hold it against the exact result.

    Args:
        channels: Of input and output.
        height: Of the input, in pixels.
        width: Of the input, in pixels.
        seed: Of kernel and input.
        plan: How files are timed, on one thread.
        delegates: One kernel path.
        on_stage: Called with what begins next.
    """
    kernel, x = draw_layer(channels=channels, height=height, width=width, seed=seed)
    size = {"height": height, "width": width}
    on_stage("making the layers")
    made = [*_split_files(kernel, x, size), *_codebook_files(kernel, x, size)]
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for index, (_, content, _) in enumerate(made):
            paths.append(Path(folder, f"{index}.tflite"))
            paths[-1].write_bytes(content)
        on_stage("timing (interleaved)")
        times = measure_latency(paths, plan, delegates=delegates)
    costs = []
    for (name, content, error), found in zip(made, times):
        nodes = found.delegation
        share = nodes and nodes.total_nodes and nodes.delegated_nodes / nodes.total_nodes
        costs.append(
            LayerCost(name, found.summary.median_ms, len(content), error(found.delegate), share)
        )
    return costs


def _exact(x: np.ndarray, kernel: Kernel) -> np.ndarray:
    import tensorflow as tf

    return tf.nn.conv2d(x, kernel.on_grid, 1, "SAME").numpy() + kernel.bias


def _error_of(content: bytes, codes: np.ndarray, scale: float, exact: np.ndarray):
    from export.running.interpreters import open_model

    def error(delegate: str) -> float:
        found = open_model(content, delegate=delegate).run(codes) * scale
        return float(np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2)))

    return error


def _split_files(kernel: Kernel, x: np.ndarray, size):
    from runtime_bench.evidence.dual_branch import (
        Reach,
        Split,
        dual_branch_layer,
        single_layer,
        split_reference,
        wide_layer,
    )
    from runtime_bench.evidence.layer_file import Kernel

    largest = float(np.abs(x).max())
    split = Split(largest, float(np.quantile(x, QUANTILE)))
    exact = _exact(x, kernel)
    dense, outlier = split_reference(x, split)
    unbiased = Kernel(kernel.values, np.zeros_like(kernel.bias))
    parts = _exact(dense, kernel), _exact(outlier, unbiased), exact
    reach = Reach(*(float(np.abs(part).max()) for part in parts))
    codes = np.rint(x / split.wide.scale).astype(np.int16)
    for name, make in (
        ("int8", single_layer),
        ("dual branch", dual_branch_layer),
        ("int16x8", wide_layer),
    ):
        content = make(kernel, split, reach=reach, **size)
        yield name, content, _error_of(content, codes, reach.wide.scale, exact)


def _codebook_files(kernel: Kernel, x: np.ndarray, size):
    from runtime_bench.evidence.codebook import NORMALIZED, codebook_layer, plain_layer
    from sr_models.published.subset_selection import select_subset
    from sr_models.quantization.grids import Grid

    normal = x / np.abs(x).max(axis=(0, 1, 2))
    flat = normal.reshape(-1, x.shape[-1])[:SAMPLES].T
    points = np.array(
        [select_subset(each, bits=CODEBOOK_BITS, restarts=1, seed=0).points for each in flat]
    )
    exact = _exact(normal, kernel)
    output = Grid("int8", float(np.abs(exact).max()) / 127, 0)
    codes = np.rint(normal / NORMALIZED.scale).astype(np.int8)
    for name, content in (
        ("normalized int8", plain_layer(kernel, **size, output=output)),
        (
            f"codebook of {CODEBOOK_BITS} bits",
            codebook_layer(kernel, points, **size, output=output),
        ),
    ):
        yield name, content, _error_of(content, codes, output.scale, exact)


@study("layers")
def layers(
    *,
    channels: Annotated[int, typer.Option(help="Of input and output.")] = 32,
    size: ExportSize = "180x320",
    runs: Runs = 25,
    seconds: Seconds = 60.0,
    seed: Annotated[int, typer.Option(help="Seed of kernel and input.")] = 0,
    json: Json = None,
) -> None:
    """Time one layer with two branches and one with a codebook against plain int8 and int16x8.

    [bold]Examples[/bold]

    \b
    sr-bench evidence layers
    sr-bench evidence layers --channels 64 --size 90x160 --json -
    """
    chosen = sides(size)
    machine = read_machine()
    import_tensorflow_quietly()
    from export.running.runtimes import find_runtime

    costs = measure_layers(
        channels=channels,
        seed=seed,
        plan=Plan(runs=runs, seconds=seconds),
        on_stage=say,
        **chosen,
    )
    write_json({"results": [c.to_json() for c in costs], "machine": machine.to_json()}, json)
    if json != "-":
        rows = [
            [
                c.layer,
                f"{c.median_ms:.2f}",
                f"{c.size_bytes / 1000:.1f}",
                f"{100.0 * c.relative_error:.3f}",
                "?" if c.delegated is None else f"{100.0 * c.delegated:.0f}",
            ]
            for c in costs
        ]
        columns = ["layer", "median ms", "size kB", "relative error, %", "in the delegate, %"]
        print_table(f"One layer of 3x3, {channels} channels, {size}", columns, rows)
    for line in protocol_lines(machine, str(find_runtime())):
        say(line)
