"""What calibration did: outputs before and after, layers beside natural ones, the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from representative_data.dataset import RepresentativeDataset
from representative_data.saturation import BINS, SetComparison, compare_layers
from representative_data.tiles import Tile
from sr_models.quantization.contract import PureContract
from sr_models.quantization.ranges import TensorRange

STATUSES = ("natural", "kept", "tamed", "anchor", "dropped")


@dataclass(frozen=True)
class CalibrationReport:
    """A representative dataset and what it means for the network.

    Attributes:
        dataset: The set.
        comparison: Its layers beside natural pictures.
        contract: What the set alone makes of the input's and the output's codes (`--pure`); the
            default mode writes both ranges as exactly [0, 1].
    """

    dataset: RepresentativeDataset
    comparison: SetComparison
    contract: PureContract

    @property
    def counts(self) -> dict[str, int]:
        """Pictures by status."""
        return {status: self.dataset.count(status) for status in STATUSES}

    @property
    def natural_output_range(self) -> tuple[float, float]:
        """Union of the float outputs over the natural pictures."""
        before = [r.output_before for r in self.dataset.records if r.status != "anchor"]
        return min(low for low, _ in before), max(high for _, high in before)

    @property
    def leaving(self) -> int:
        """How many natural pictures' outputs leave [0, 1]."""
        before = [r.output_before for r in self.dataset.records if r.status != "anchor"]
        return sum(low < 0.0 or high > 1.0 for low, high in before)

    def saturating(self, limit: float) -> list[str]:
        """Names of tensors of which more than `limit` saturates under natural pictures."""
        return [
            layer.tensor
            for layer in self.comparison.layers
            if layer.is_judged and layer.saturating_fraction > limit
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything but the pixels, as plain data."""
        comparison = self.comparison
        return {
            **self.dataset.to_json(),
            "natural_output_range": list(self.natural_output_range),
            "natural_outputs_leaving_0_1": self.leaving,
            "counts": self.counts,
            "pixel_contract": self.contract.to_json(),
            "saturating_fraction": comparison.worst.saturating_fraction,
            "saturating_tensor": comparison.worst.tensor,
            "layers": [layer.to_json() for layer in comparison.layers],
            "output_histograms": {
                "bin_edges": BINS.tolist(),
                "natural": list(comparison.natural_histogram),
                "set": list(comparison.set_histogram),
            },
        }


def build_report(model, tiles: Sequence[Tile], dataset: RepresentativeDataset) -> CalibrationReport:
    """Run the network once on the set and once on the natural pictures it was made from.

    Args:
        model: The float network that shaped the set.
        tiles: The natural pictures it was made from.
        dataset: The set.
    """
    comparison = compare_layers(model, [tile.pixels for tile in tiles], dataset.pictures)
    return CalibrationReport(dataset, comparison, pure_contract(dataset))


def pure_contract(dataset: RepresentativeDataset) -> PureContract:
    """What a set makes of the codes where it alone decides every range (`--pure`)."""
    return PureContract.of_ranges(
        TensorRange(*dataset.input_range), TensorRange(*dataset.output_range)
    )


def span_text(bounds: Sequence[float]) -> str:
    """A range as `0.0000..1.0008`."""
    # Added to nothing, -0.0 is 0.0.
    low, high = (round(bound, 4) + 0.0 for bound in bounds)
    return f"{low:.4f}..{high:.4f}"


def share_text(fraction: float | None) -> str:
    """A share as a percentage that tells none from few; `-` where there is none to tell."""
    if fraction is None:
        return "-"
    if fraction == 0.0:
        return "0"
    return f"{100.0 * fraction:.2g} %" if fraction >= 1e-6 else "< 0.0001 %"


def contract_text(contract: PureContract) -> str:
    """Whether the contract holds, by how much, or why not."""
    if not contract.holds:
        return "; ".join(contract.reasons)
    errors = (abs(contract.input.scale_error), abs(contract.output.scale_error))
    return (
        f"holds: scales {errors[0]:.2f} (input) and {errors[1]:.2f} (output) of the tolerance "
        "from 1/255"
    )


def summary_rows(report: CalibrationReport) -> list[list[str]]:
    """Property and value of the set as a whole."""
    counts = ", ".join(f"{number} {status}" for status, number in report.counts.items() if number)
    passes = [r.passes for r in report.dataset.records if r.passes]
    worst = report.comparison.worst
    return [
        ["pictures", counts],
        ["float outputs of the natural pictures", span_text(report.natural_output_range)],
        ["natural pictures that leave [0, 1]", str(report.leaving)],
        ["float outputs of the set", span_text(report.dataset.output_range)],
        ["inputs of the set", span_text(report.dataset.input_range)],
        [
            "forward passes to tame",
            f"{np.mean(passes):.1f} a picture, {max(passes)} at most" if passes else "none",
        ],
        ["pixel contract of the set alone (--pure)", contract_text(report.contract)],
        [
            "most saturation of natural activations",
            f"{share_text(worst.saturating_fraction)} ({worst.tensor})",
        ],
    ]


def layer_rows(report: CalibrationReport) -> list[list[str]]:
    """Ranges and saturation of each tensor."""
    return [
        [
            layer.tensor,
            span_text(layer.natural),
            span_text(layer.set),
            f"{layer.span_ratio:.3f}",
            share_text(layer.saturating_fraction) + (" (the clip)" if layer.is_output else ""),
        ]
        for layer in report.comparison.layers
    ]


LAYER_COLUMNS = ["tensor", "natural pictures", "this set", "set / natural", "saturating"]


def report_tables(report: CalibrationReport) -> list[tuple[str, list[str], list[list[str]]]]:
    """The report as tables: (title, columns, rows)."""
    title = f"representative dataset ({report.dataset.method})"
    return [
        (title, ["property", "value"], summary_rows(report)),
        ("tensor ranges", LAYER_COLUMNS, layer_rows(report)),
    ]
