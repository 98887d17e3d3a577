"""What the child process can be asked to do with files."""

from __future__ import annotations

from typing import Any

from export.running.interpreters import open_model
from export.stripping.proof import PROBE_HEIGHT, PROBE_WIDTH, compare_files
from sr_models.ground.child import serve_calls
from sr_models.ground.errors import ModelFileError


def prepare(content: bytes) -> dict[str, Any]:
    """Let XNNPACK take what it can, at a small size where the file allows it.

    Which operators it takes does not depend on the picture's size; how long it prepares does.
    """
    try:
        runner = open_model(content, height=PROBE_HEIGHT, width=PROBE_WIDTH)
    except ModelFileError:
        runner = open_model(content)
    delegation = runner.delegation
    return {"runtime": str(runner.runtime), "delegation": delegation and delegation.to_json()}


def compare(before: bytes, after: bytes, **options: Any) -> dict[str, Any]:
    """Run two files side by side: see `compare_files`."""
    return compare_files(before, after, **options).to_json()


def golden(model: bytes, fed: bytes, expected: bytes, **options: Any) -> dict[str, Any]:
    """Hold a bundle's model against its golden pair: see `measure_golden`."""
    # Here, so that the other jobs need nothing of bundles.
    from export.bundle.verification import measure_golden

    return measure_golden(model, fed, expected, **options)


def serve() -> None:
    """Answer calls on stdin."""
    serve_calls({"prepare": prepare, "compare": compare, "golden": golden})
