"""Rows in the format of the public leaderboard of LiteRT, to be handed in there.

The board is google-ai-edge/litert-samples, benchmark/leaderboard (pull request 319: nodes from
`runtime_info.pb`). A row is a line of its `data/measurements.jsonl`, as `collect_job` of
benchmark/driver/collect.py at 187fde0349a5 makes it: the same keys, units and rounding, and a row
of the same `row_id` takes the former's place. Two things are our own: `runner` is `adb`, since the
board's own rows come from a device lab, and `threads` stands at the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from runtime_bench.android.measurement import LEGACY, PhoneLatency
from runtime_bench.android.output import Times
from runtime_bench.android.placement import TEXT
from runtime_bench.android.tool import KINDS, LITERT
from sr_models.ground.console import finite
from sr_models.ground.errors import OptionError
from sr_models.ground.files import require_writable, writing_file

# Hugging Face's name of what super-resolution does; the board groups by it.
TASK = "image-to-image"
# The board's name of what was asked for, by ours.
_ACCELERATORS = {"xnnpack": "cpu", "gpu": "gpu", "npu": "npu", "nnapi": "nnapi"}


def leaderboard_row(found: PhoneLatency, *, repo: str = "", now: datetime | None = None) -> dict:
    """One row of the board.

    Args:
        found: What was measured.
        repo: Hugging Face repository of the file; the file's name by default.
        now: When; rows of one call of the verb share it.
    """
    moment = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)
    times, warmup = found.output.inference or Times(), found.output.warmup or Times()
    phone, placement, results = found.phone, found.placement, found.results
    accelerator = _ACCELERATORS[found.run.delegate]
    device = phone.device or re.sub(r"[^a-z0-9]+", "-", phone.name.lower()).strip("-")
    device = f"{device}-{phone.sdk}"
    file = Path(found.model.name).name
    model = repo or Path(file).stem
    version = found.program.release or "unknown"
    return {
        "row_id": f"{model}:{file}@{version}/android/{device}/{accelerator}",
        "model": model,
        "file": file,
        "task": TASK,
        "model_size_mb": (results and results.size_mb) or found.model.size_bytes / 1e6,
        "platform": "android",
        "device_id": device,
        "device": phone.name,
        "os": f"Android {phone.android or '?'} (API {phone.sdk})",
        "accelerator": accelerator,
        "delegate": placement.name or None,
        "nodes_delegated": placement.delegated_nodes,
        "nodes_total": placement.total_nodes,
        "partitions": placement.parts,
        "latency_ms": {
            "median": times.median_ms,
            "avg": times.mean_ms,
            "p5": times.p5_ms,
            "p95": times.p95_ms,
            "min": times.min_ms,
            "max": times.max_ms,
            "stddev": times.std_ms,
            "init": found.output.init_ms,
            "first_inference": warmup.first_ms,
            "warm_up_avg": warmup.mean_ms,
        },
        "memory_mb": {
            "init_footprint": _hundredths(found.output.init_mb),
            "overall_footprint": _hundredths(found.output.overall_mb),
        },
        "runs": times.runs,
        "warmup_runs": warmup.runs,
        "throughput_mb_s": results.throughput_mb_s if results else None,
        "source": "log" if found.source == TEXT else found.source,
        "runtime": "litert" if found.kind == LITERT else "tflite",
        "runtime_version": version,
        "binary": found.program.name,
        "runner": "adb",
        "session": f"sr-bench-{moment:%Y%m%d-%H%M%S}",
        "job": f"{accelerator}-{device}",
        "status": _status(found),
        "date": f"{moment:%Y-%m-%d}",
        "threads": found.run.threads,
    }


def require_rows(delegate: str, threads: Sequence[int]) -> None:
    """Raise `OptionError` for a measurement that has no place on the board."""
    if delegate not in _ACCELERATORS:
        raise OptionError(
            f"expected --delegate {', '.join(_ACCELERATORS)} with --leaderboard, found {delegate}; "
            "the board has no rows of builtin kernels"
        )
    if len(threads) > 1:
        raise OptionError(
            f"expected one number of threads with --leaderboard, found {len(threads)}; the board "
            "has one row per file, phone and accelerator"
        )


def read_leaderboard(path: str | Path) -> dict[str, dict]:
    """The rows of a file of the board by their `row_id`; none where there is no file.

    Raises:
        OptionError: The file holds something else; the message names the line.
        OutputError: The place cannot be written to.
    """
    require_writable(path)
    path = Path(path)
    rows: dict[str, dict] = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(
            f"expected rows of the leaderboard, found no text in {path}; name another file"
        ) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            rows[str(row["row_id"])] = row
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise OptionError(
                f"expected a row of the leaderboard with its row_id, found other data in line "
                f"{number} of {path}; name another file"
            ) from error
    return rows


def write_leaderboard(path: str | Path, rows: Sequence[dict]) -> None:
    """Put rows into a file of the board, each in the place of an earlier one of its `row_id`.

    Raises:
        OptionError: The file holds something else.
        OutputError: It cannot be written.
    """
    kept = read_leaderboard(path) | {row["row_id"]: row for row in rows}
    text = "".join(json.dumps(finite(row), ensure_ascii=False) + "\n" for row in kept.values())
    with writing_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _status(found: PhoneLatency) -> str:
    # The board shows rows that are "measured" alone, and all of them with LiteRT's tool.
    if found.run.delegate in LEGACY:
        return LEGACY[found.run.delegate]
    return "measured" if found.kind == LITERT else f"measured with {KINDS[found.kind]}"


def _hundredths(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
