"""The page of all networks: what they cost, how good they are, where their int8 files run.

Its first part needs presets and cards alone and can be checked in moments; the second is measured
by one export of each network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime_bench.evidence.placements import (
    REASONS,
    SIDE,
    UNKNOWN,
    Placement,
    measure_placement,
)
from runtime_bench.evidence.studies import study
from runtime_bench.measuring.options import Json
from sr_models.ground.console import GateNotMet, progress, say, write_json
from sr_models.ground.errors import OptionError
from sr_models.ground.files import require_writable, writing_file
from sr_models.ground.native_output import import_tensorflow_quietly
from sr_models.networks.card import find_card
from sr_models.networks.presets import PRESETS, list_presets

COMMAND = "sr-bench evidence models --out docs/models.md"
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
    """`list_facts` of every preset with the optimizer steps of its weights."""
    from sr_models.networks.facts import list_facts

    found = []
    for name in list_presets():
        card = find_card(PRESETS[name])
        found.append({**list_facts(PRESETS[name], card), "steps": card.steps if card else None})
    return found


def facts_part(networks: Sequence[Mapping[str, Any]]) -> str:
    """The page above `MEASURED`, from `network_facts`."""
    from sr_models.networks.facts import giga

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


@study("models")
def models(
    *,
    out: Annotated[str, typer.Option(metavar="PAGE.md", help="The page.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; status 1 where it is out of date.")
    ] = False,
    keep_measured: Annotated[
        bool, typer.Option("--keep-measured", help="Export nothing; keep what was measured.")
    ] = False,
    largest_parameters: Annotated[
        int | None, typer.Option(help="Measure no network of more parameters than this.")
    ] = None,
    json: Json = None,
) -> None:
    """Write a page of all networks: cost, quality, and where their int8 files run.

    [bold]Examples[/bold]

    \b
    sr-bench evidence models --out docs/models.md
    sr-bench evidence models --out docs/models.md --keep-measured
    sr-bench evidence models --out docs/models.md --check
    """
    networks = network_facts()
    if check:
        write_json({"networks": networks}, json)
        if difference := outdated(out, networks):
            raise GateNotMet(f"out of date: {difference}; renew the page with --keep-measured")
        say(f"{out} is up to date")
        return
    require_writable(out)
    found: dict = {}
    # A page that is there is read in any case: nothing else is ever replaced.
    kept = read_page(out)[1] if keep_measured or Path(out).exists() else ""
    if not keep_measured:
        found, runtime = _placements(largest_parameters)
        kept = measured_part(found, runtime=runtime)
    elif missing := not_measured(kept, networks):
        raise OptionError(
            f"expected {out} to have a measurement of {', '.join(missing)}, found none; "
            "leave out --keep-measured"
        )
    with writing_file(out) as page:
        page.write_text(f"{facts_part(networks)}\n{kept}")
    placements = [placement.to_json() for placement in found.values() if placement]
    write_json({"networks": networks, "placements": placements}, json)
    say(f"wrote {out}")


def _placements(largest_parameters: int | None) -> tuple[dict, str]:
    """Where the int8 file of each network runs, and the interpreter that was asked."""
    import_tensorflow_quietly()
    from export.running.runtimes import find_runtime

    names, found = list_presets(), {}
    with progress("exporting", unit="networks") as update:
        for done, name in enumerate(names):
            update(done, len(names), name)
            preset = PRESETS[name]
            small = largest_parameters is None or preset.parameters <= largest_parameters
            found[name] = measure_placement(preset) if small else None
    return found, str(find_runtime())
