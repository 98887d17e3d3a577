"""The page of all networks: what they cost, how good they are, where their int8 files run.

Its first part needs presets and cards alone and can be checked in moments; the second is measured
by one export of each network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from export.running.interpreters import open_model
from export.running.runtimes import Delegation
from export.tflite.flatbuffer import FileGraph, OperatorInfo, read_graph
from sr_models.ground.errors import OptionError
from sr_models.networks.card import find_card
from sr_models.networks.facts import giga, list_facts
from sr_models.networks.presets import PRESETS, Preset, list_presets

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


COMMAND = "sr-bench models --out docs/models.md"
MADE_BY = f"Made by `{COMMAND}`"
MEASURED = "## Where the int8 files run"
DATASETS = ("Set5", "Set14", "BSD100")
"""The order in which the field gives them; others follow by name."""

HEAD = f"""\
# Networks

{MADE_BY} from the presets, the cards of their weights
and one export of each network; not to be edited. With `--check` it says whether the page is up to
date, with `--keep-measured` it renews all but the last section.

Parameters are those of the deployed form. Multiply-adds are those of its convolutions for a picture
of 360x640, without output tail, biases and activations. Steps are optimizer steps of the shipped
weights; without steps there are no weights yet.
"""

QUALITY = """\
## Quality

Luma of the float network by the protocol of [measuring.md](measuring.md), beside the figure that
was published for the architecture (table 2 of the ETDS paper, CVPR 2023, or, for Set14 alone,
github:quic/aimet-model-zoo) and the difference of the two.
"""

LEFT_OUT = """\
## Left out

- **XCAT** (Ayazoglu and Bilecen, ECCV workshops 2022, arXiv 2208.14655). Its abstract tells of
  convolutions in unequal groups, of cross concatenation that saves the 1x1 convolutions between
  them, and of fixed kernels for upsampling. How many channels, groups and blocks there are, what is
  concatenated with what, and how many parameters that makes we found in no public text or code.
- **SCSRN** (Gankhuyag et al., IEEE Access 2023, doi 10.1109/ACCESS.2022.3232258). Its abstract
  tells of the picture concatenated with features in place of an addition, of weighted clipping, and
  of re-parameterization of some layers. Width, depth, the place of the concatenation, the end of
  the network and the number of parameters we found nowhere.

A network of either name would be a guess, and its figures would say nothing about theirs. With the
layers known, each would be one more file.
"""


def network_facts() -> list[dict[str, Any]]:
    """`list_facts` of every preset with the optimizer steps of its weights; no TensorFlow."""
    found = []
    for name in list_presets():
        card = find_card(PRESETS[name])
        found.append({**list_facts(PRESETS[name], card), "steps": card.steps if card else None})
    return found


def facts_part(networks: Sequence[Mapping[str, Any]]) -> str:
    """The page above `MEASURED`, from `network_facts`."""
    columns = ["network", "family", "scale", "parameters", "multiply-adds, G", "steps", "source"]
    rows = [
        [
            f"`{row['name']}`",
            row["family"],
            f"x{row['scale']}",
            f"{row['parameters']:,}",
            giga(row["multiply_adds"]),
            "-" if row["steps"] is None else f"{row['steps']:,}",
            row["source"],
        ]
        for row in networks
    ]
    quality = ["network", "dataset", "PSNR, dB", "published, dB", "difference, dB", "SSIM"]
    quality_rows = [row for network in networks for row in _quality_rows(network)]
    return "\n".join(
        [
            HEAD,
            _table(columns, rows, right=(3, 4, 5)),
            QUALITY,
            _table(quality, quality_rows, right=(2, 3, 4, 5)),
            LEFT_OUT,
        ]
    )


def _quality_rows(network: Mapping[str, Any]) -> list[list[str]]:
    ours, published = network["psnr_y_db"], network["published_psnr_y_db"]
    rows = []
    for dataset in _in_order({*ours, *published}):
        known = dataset in ours and dataset in published
        ssim = network["ssim_y"].get(dataset)
        rows.append(
            [
                f"`{network['name']}`",
                dataset,
                _number(ours.get(dataset)),
                _number(published.get(dataset)),
                _number(ours[dataset] - published[dataset], "+.2f") if known else "-",
                _number(ssim, ".4f"),
            ]
        )
    return rows


def _in_order(datasets: Iterable[str]) -> list[str]:
    first = {name: place for place, name in enumerate(DATASETS)}
    return sorted(datasets, key=lambda name: (first.get(name, len(first)), name))


def measured_part(placements: Mapping[str, Placement | None], *, runtime: str) -> str:
    """The section from `MEASURED` on.

    Args:
        placements: By network; `None` for those not measured.
        runtime: Interpreter and version.
    """
    marks = {key: chr(ord("a") + place) for place, key in enumerate(REASONS)} | {UNKNOWN: "?"}
    rows = [_measured_row(name, found, marks) for name, found in placements.items()]
    left = [one for found in placements.values() if found for one in found.left_behind]
    reasons = {**REASONS, UNKNOWN: "the reason is not known"}
    met = [key for key in reasons if any(one.reason == key for one in left)]
    intro = f"""\
{MEASURED}

Clip-free int8 files with a {SIDE}x{SIDE} input, uint8 codes and the tail `relu`, of shipped weights
or else of the untrained network, opened by {runtime}. In one partition XNNPACK runs a
file from its first convolution to its last; every operator left behind in between takes the data
out and back in.
"""
    columns = ["network", "operators taken", "partitions", "left behind"]
    notes = "".join(f"- ({marks[key]}) {reasons[key]}.\n" for key in met)
    return "\n".join([intro, _table(columns, rows, right=(1, 2)), notes])


def _measured_row(name: str, found: Placement | None, marks: Mapping[str, str]) -> list[str]:
    if found is None:
        return [f"`{name}`", "not measured", "-", "-"]
    left = ", ".join(f"{one.count} {one.op} ({marks[one.reason]})" for one in found.left_behind)
    taken = f"{found.delegated_nodes} of {found.total_nodes}"
    return [f"`{name}`", taken, str(found.partitions), left or "none"]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int]) -> str:
    rule = ["---:" if index in right else "---" for index in range(len(columns))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (columns, rule, *rows))


def _number(value: float | None, form: str = ".2f") -> str:
    return "-" if value is None else format(value, form)


def read_page(path: str | Path) -> tuple[str, str]:
    """The two parts of a page.

    Raises:
        OptionError: There is no page, or none that this command made.
    """
    try:
        text = Path(path).read_text()
    except (OSError, ValueError) as error:
        raise OptionError(
            f"expected a page of networks, found no readable file {path}; make it with: {COMMAND}"
        ) from error
    above, heading, below = text.partition(MEASURED)
    if MADE_BY not in above or not heading:
        raise OptionError(
            f"expected a page that this command made, found other text in {path}; name another file"
        )
    return above, heading + below


def outdated(path: str | Path, networks: Sequence[Mapping[str, Any]]) -> str | None:
    """What a page has other than presets and cards have it now; `None` where it is up to date.

    Raises:
        OptionError: See `read_page`.
    """
    above, below = read_page(path)
    lines = zip_longest(above.splitlines(), f"{facts_part(networks)}\n".splitlines())
    for number, (found, expected) in enumerate(lines, start=1):
        if found != expected:
            return f"expected line {number} of {path} to be {expected!r}, found {found!r}"
    if missing := not_measured(below, networks):
        return f"expected {', '.join(missing)} below {MEASURED!r} in {path}, found no row"
    return None


def not_measured(measured: str, networks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of networks that a page's measured part has no row of."""
    return [row["name"] for row in networks if f"| `{row['name']}` |" not in measured]
