"""Whether the cost model of kernels tells which operators take long: predicted beside measured.

Networks are exported in the form that the default recipe gives their layers, without the methods
that only move weights, and profiled. A rank correlation of 1 says that the model sorts operators as
the clock does. The peak is the best of a few large 1x1 convolutions, whose tiles waste nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from export.running.plan import Plan
from export.running.targets import HERE, find_target, this_machine
from runtime_bench.evidence.studies import study
from runtime_bench.measuring.options import ExportSize, Json, Runs, Seconds
from sr_models.ground.console import GateNotMet, print_table, say, write_json
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.networks.presets import PRESETS, get_preset, list_presets

METHOD = "natural+relus+groups+pack"
PEAK_CHANNELS = (128, 256, 512)
PEAK_PIXELS = (48, 64)


@dataclass(frozen=True)
class OperatorCost:
    """One operator that ran in the delegate or outside of it.

    Attributes:
        model: Name of the network.
        op: Name of the operator.
        index: Its place in the file.
        useful: Multiply-adds that it asks for; 0 for what multiplies nothing.
        waste_fraction: Share of the computed ones that nobody asked for; `None` like it.
        cost: What the model expects, in instructions.
        median_ms: What the profiler measured.
    """

    model: str
    op: str
    index: int
    useful: int
    waste_fraction: float | None
    cost: float
    median_ms: float

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return dict(vars(self))


def rank_correlation(costs: Sequence[OperatorCost]) -> float:
    """Spearman's, of expected and measured."""
    from scipy.stats import spearmanr

    return float(spearmanr([c.cost for c in costs], [c.median_ms for c in costs]).statistic)


def operator_costs(
    name: str, content: bytes, *, target: str = HERE, plan: Plan | None = None
) -> list[OperatorCost]:
    """Profile a file on one thread and hold each operator against what the model expects.

    Operators that the delegate has no counterpart for are left out.
    """
    from export.inspecting.work import work_of
    from runtime_bench.measuring.profile import profile_file
    from sr_models.tflite.flatbuffer import read_graph

    work = {op.index: op for op in work_of(read_graph(content), find_target(target)).operators}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        path.write_bytes(content)
        found = profile_file(str(path), plan).operators
    return [
        OperatorCost(
            name,
            op.op,
            op.index,
            work[op.index].useful or 0,
            work[op.index].waste_fraction,
            work[op.index].cost,
            op.median_ms,
        )
        for op in found
        if op.index is not None
    ]


def peak_products_per_ns(plan: Plan | None = None) -> float:
    """The most multiply-adds a nanosecond that a 1x1 convolution reaches on one thread."""
    import numpy as np

    from runtime_bench.evidence.layer_file import Kernel, LayerFile
    from runtime_bench.measuring.latency import measure_latency
    from sr_models.quantization.grids import Grid

    rng, paths, products = np.random.default_rng(0), [], []
    height, width = PEAK_PIXELS
    with tempfile.TemporaryDirectory() as folder:
        for channels in PEAK_CHANNELS:
            values = rng.normal(0.0, 0.1, (1, 1, channels, channels)).astype(np.float32)
            kernel = Kernel(values, np.zeros(channels, np.float32))
            file = LayerFile("peak")
            x = file.tensor("x", (1, height, width, channels), Grid("int8", 0.02, 0))
            made = file.convolve(x, kernel, name="result", grid=Grid("int8", 0.1, 0))
            paths.append(Path(folder, f"{channels}.tflite"))
            paths[-1].write_bytes(file.content([x], [made]))
            products.append(height * width * channels**2)
        times = measure_latency(paths, plan)
    return max(n / (t.summary.median_ms * 1e6) for n, t in zip(products, times))


def measured_networks(
    names: Sequence[str], size: str, *, plan: Plan, on_stage: Callable[[str], None]
) -> Iterator[list[OperatorCost]]:
    """The operators of one network after the other."""
    from export.exporting.job import run_export
    from export.exporting.settings import ExportSettings
    from sr_models.ground.sizes import parse_size

    for name in names:
        on_stage(f"{name}: exporting")
        chosen = ExportSettings(
            sizes=(parse_size(size),), method=METHOD, pictures=16, packed_for=this_machine()
        )
        content = run_export(name, chosen).content
        on_stage(f"{name}: profiling")
        yield operator_costs(name, content, plan=plan)


@study("kernels")
def kernels(
    names: Annotated[
        list[str] | None, typer.Argument(help="Presets.", show_default="all with weights")
    ] = None,
    size: ExportSize = "180x320",
    runs: Runs = 15,
    seconds: Seconds = 20.0,
    min_correlation: Annotated[
        float | None, typer.Option(help="Gate: rank correlation over all operators.")
    ] = None,
    json: Json = None,
) -> None:
    """Hold the cost model of kernels against the profiler, operator by operator, on this machine.

    Exit status 1 where the rank correlation is below the gate.

    [bold]Examples[/bold]

    \b
    sr-bench evidence kernels
    sr-bench evidence kernels xlsr_x3 espcn_x3 --size 360x640 --json -
    """
    target = find_target(HERE)
    chosen = [get_preset(name).name for name in names or _with_weights()]
    from runtime_bench.measuring.machine import read_machine
    from runtime_bench.measuring.tables import protocol_lines

    machine, plan = read_machine(), Plan(runs=runs, seconds=seconds)
    import_tensorflow_quietly()
    from export.running.runtimes import find_runtime

    peak = peak_products_per_ns(plan)
    costs = [
        cost for found in measured_networks(chosen, size, plan=plan, on_stage=say) for cost in found
    ]
    correlation = rank_correlation(costs)
    found = {
        "target": target.name,
        "rank_correlation": correlation,
        "peak_per_ns": peak,
        "results": [c.to_json() for c in costs],
        "machine": machine.to_json(),
    }
    write_json(found, json)
    if json != "-":
        _print(costs, peak=peak, title=f"{size}, one thread, kernels of {target.name}")
        print(f"rank correlation over {len(costs)} operators: {correlation:.3f}")
        print(f"peak of 1x1 convolutions: {peak:.1f} multiply-adds a nanosecond")
    for line in protocol_lines(machine, str(find_runtime())):
        say(line)
    if min_correlation is not None and not correlation >= min_correlation:
        raise GateNotMet(
            f"gate not met: min-correlation {min_correlation:g}; found {correlation:.3f}"
        )


def _with_weights() -> list[str]:
    return [name for name in list_presets() if PRESETS[name].weights_path.is_file()]


def _print(costs: Sequence[OperatorCost], *, peak: float, title: str) -> None:
    rows = []
    for name in dict.fromkeys(cost.model for cost in costs):
        own = [cost for cost in costs if cost.model == name]
        whole = sum(cost.median_ms for cost in own)
        useful = sum(cost.useful for cost in own)
        share = useful / (whole * 1e6 * peak) if whole else 0.0
        rows.append(
            [
                name,
                str(len(own)),
                f"{rank_correlation(own):.3f}",
                f"{whole:.1f}",
                f"{useful / 1e9:.2f}",
                f"{share:.2f}",
            ]
        )
    columns = ["network", "operators", "rank correlation", "ms", "useful, G", "share of peak"]
    print_table(title, columns, rows)
