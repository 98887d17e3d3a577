"""Results that other commands wrote as JSON, drawn as one page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime_bench.history.history import is_history, read_history
from runtime_bench.pages import phone_sections, sections  # noqa: F401 - registers what it has
from runtime_bench.pages.gathered import Gathered, draw_sections
from runtime_bench.pages.report import Page
from sr_models.ground.errors import OptionError

KINDS = ("latency", "quality", "compare", "android", "history")


def kind_of_results(results: Any) -> str | None:
    """Which verb wrote some results, one of `KINDS`; `None` for other data."""
    if not isinstance(results, Mapping):
        return None
    if isinstance(results.get("history"), list):
        return "history"
    if "failures" in results and isinstance(results.get("results"), list):
        # Whatever phones have failed, this is what was measured on the others.
        return "android"
    if "speedup" in results and "baseline" in results:
        return "compare"
    rows = results.get("results")
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], Mapping):
        return None
    if "median_ms" in rows[0]:
        return "android" if "phone" in rows[0] else "latency"
    return "quality" if "psnr_rgb_db" in rows[0] else None


def read_results(path: str | Path) -> dict[str, Any]:
    """Read what a verb wrote with `--json`, or a history written with `--save` (`.jsonl`).

    Raises:
        OptionError: The file cannot be read, is no JSON, or holds something else.
    """
    if is_history(path):
        return {"history": read_history(path)}
    try:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OptionError(f"expected a file of results, found: {reason}: {path}") from error
    except (ValueError, RecursionError) as error:
        raise OptionError(
            f"expected JSON in {path}, found: {error}; give a file written with --json"
        ) from error
    if kind_of_results(results) is None:
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
    try:
        draw_sections(page, gather(parts))
    except KeyError as error:
        raise OptionError(
            f"expected whole results, found one without {error}; measure again"
        ) from error
    except (AttributeError, TypeError, ValueError) as error:
        raise OptionError(
            f"expected whole results, found a value of another type ({error}); measure again"
        ) from error
    return page


def gather(parts: Sequence[Mapping[str, Any]]) -> Gathered:
    """The rows of results by what they are about."""
    found = Gathered(parts)
    for part in parts:
        kind = kind_of_results(part)
        if kind == "compare":
            found.compared.append(part)
            found.timed += [part["baseline"], part["candidate"]]
            found.rated += part["quality"]
        elif kind == "latency":
            found.timed += part["results"]
        elif kind == "android":
            found.phones += part["results"]
            found.made += part.get("quality", ())
            found.pairs += part.get("golden", ())
            found.failures |= part.get("failures", {})
        elif kind == "quality":
            found.rated += part["results"]
    return found
