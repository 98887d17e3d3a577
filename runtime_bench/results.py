"""Results that other commands wrote as JSON, drawn as one page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime_bench.report import Page
from runtime_bench.tables import gate_rows, nodes_text, short_names
from sr_models.errors import OptionError

KINDS = ("latency", "quality", "compare")


def kind_of(results: Any) -> str | None:
    """Which verb wrote some results, one of `KINDS`; `None` for other data."""
    if not isinstance(results, Mapping):
        return None
    if "speedup" in results and "baseline" in results:
        return "compare"
    rows = results.get("results")
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], Mapping):
        return None
    if "median_ms" in rows[0]:
        return "latency"
    return "quality" if "psnr_rgb_db" in rows[0] else None


def read_results(path: str | Path) -> dict[str, Any]:
    """Read what `latency`, `quality` or `compare` wrote with `--json`.

    Raises:
        OptionError: The file cannot be read, is no JSON, or holds something else.
    """
    try:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OptionError(f"expected a file of results, found: {reason}: {path}") from error
    except (ValueError, RecursionError) as error:
        raise OptionError(
            f"expected JSON in {path}, found: {error}; give a file written with --json"
        ) from error
    if kind_of(results) is None:
        raise OptionError(
            f"expected results of {', '.join(KINDS)} in {path}, found other data; "
            "give a file written with --json"
        )
    return results


def page_of_results(parts: Sequence[Mapping[str, Any]], *, title: str) -> Page:
    """One page from any number of results.

    Raises:
        OptionError: Results that lack a key or hold another type, e.g. of another version.
    """
    page = Page(title)
    timed, rated = [], []
    try:
        for part in parts:
            kind = kind_of(part)
            if kind == "compare":
                _add_comparison(page, part)
                timed += [part["baseline"], part["candidate"]]
                rated += part["quality"]
            elif kind == "latency":
                timed += part["results"]
            else:
                rated += part["results"]
        _add_latency(page, timed)
        _add_quality(page, rated)
        _add_scatter(page, timed, rated)
        _add_machines(page, parts)
    except KeyError as error:
        raise OptionError(
            f"expected whole results, found one without {error}; measure again"
        ) from error
    except (AttributeError, TypeError, ValueError) as error:
        raise OptionError(
            f"expected whole results, found a value of another type ({error}); measure again"
        ) from error
    return page


def _add_comparison(page: Page, part: Mapping[str, Any]) -> None:
    names = short_names([part["baseline"]["model"], part["candidate"]["model"]])
    page.add_heading("Candidate against baseline")
    page.add_text(
        f"{names[part['candidate']['model']]} against {names[part['baseline']['model']]}, "
        f"timed in the same interleaved rounds: {part['verdict']}."
    )
    interval = f"{part['speedup_low']:.3f} to {part['speedup_high']:.3f}"
    rows = [
        ["speed-up", part["speedup"]],
        ["its 95 % interval", interval],
        ["p (Mann-Whitney)", part["p_value"]],
        ["largest code difference", part["max_abs_code_difference"]],
        ["differing codes", f"{part['differing_fraction']:.2%}"],
        ["size, candidate / baseline", part["size_ratio"]],
    ]
    if part["psnr_drop_db"] is not None:
        rows.append(["PSNR drop RGB, dB (worst dataset)", part["psnr_drop_db"]])
        rows.append(["PSNR drop Y, dB (worst dataset)", part["psnr_y_drop_db"]])
    page.add_table(["", "found"], rows + gate_rows(part["gates"]))


def _add_latency(page: Page, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    names = short_names(row["model"] for row in rows)
    page.add_heading("Latency")
    page.add_latency_bars([{**row, "label": _label(row, names)} for row in rows])
    headers = [
        "file", "delegate", "threads", "runs", "median ms", "p5 ms", "p95 ms", "first ms",
        "init ms", "delegated nodes",
    ]  # fmt: skip
    keys = ("runs", "median_ms", "p5_ms", "p95_ms", "first_ms", "init_ms")
    cells = [
        [names[row["model"]], row["delegate"], row["threads"], *(row[key] for key in keys),
         nodes_text(row["delegated_nodes"], row["total_nodes"], row["partitions"])]
        for row in rows
    ]  # fmt: skip
    shapes = " and ".join(dict.fromkeys(str(row["input_shape"]) for row in rows))
    runtimes = " and ".join(dict.fromkeys(row["runtime"] for row in rows))
    hashes = ", ".join(dict.fromkeys(f"{names[r['model']]} {r['sha256'][:12]}" for r in rows))
    page.add_table(
        headers, cells, best={"median ms": "low"},
        caption=f"Input {shapes}, {runtimes}. SHA-256: {hashes}.",
    )  # fmt: skip


def _add_quality(page: Page, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    names = short_names(row["model"] for row in rows)
    page.add_heading("Quality")
    headers = [
        "file", "dataset", "pictures", "PSNR RGB dB", "PSNR Y dB", "SSIM Y",
        "dequantized RGB dB", "dequantized Y dB",
    ]  # fmt: skip
    keys = ("images", "psnr_rgb_db", "psnr_y_db", "ssim_y")
    keys += ("dequantized_psnr_rgb_db", "dequantized_psnr_y_db")
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        cells = [
            [names[row["model"]], dataset, *(row[key] for key in keys)]
            for row in rows
            if row["dataset"] == dataset
        ]
        protocol = next(row["protocol"] for row in rows if row["dataset"] == dataset)
        page.add_table(
            headers, cells, caption=protocol,
            best={"PSNR RGB dB": "high", "PSNR Y dB": "high", "SSIM Y": "high"},
        )  # fmt: skip


def _add_scatter(
    page: Page, timed: Sequence[Mapping[str, Any]], rated: Sequence[Mapping[str, Any]]
) -> None:
    names = short_names(row["model"] for row in timed)
    for dataset in dict.fromkeys(row["dataset"] for row in rated):
        psnr_db = {row["model"]: row["psnr_rgb_db"] for row in rated if row["dataset"] == dataset}
        rows = [
            {"label": _label(row, names), "median_ms": row["median_ms"],
             "psnr_db": psnr_db[row["model"]]}
            for row in timed
            if psnr_db.get(row["model"]) is not None
        ]  # fmt: skip
        if rows:
            page.add_scatter(rows, caption=f"Raw RGB PSNR on {dataset} against latency.")


def _add_machines(page: Page, parts: Sequence[Mapping[str, Any]]) -> None:
    machines: list[Mapping[str, Any]] = []
    for part in parts:
        if part.get("machine") and part["machine"] not in machines:
            machines.append(part["machine"])
    for machine in machines:
        page.add_machine(machine)


def _label(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    return f"{names[row['model']]}, {row['delegate']}, {row['threads']} thread(s)"
