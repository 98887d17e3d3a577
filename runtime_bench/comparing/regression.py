"""A candidate held against a baseline in a team's own tests: `assert_no_regression`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.running.plan import Plan
from runtime_bench.comparing.comparison import FileComparison, compare_files
from runtime_bench.comparing.gates import Gates
from runtime_bench.measuring.quality import find_datasets
from sr_models.ground.arguments import a_path, optional, takes
from sr_models.ground.pictures import load_image

# Output codes are compared and files are read; a speed that nobody asked for needs few rounds.
_QUICK = Plan(runs=1, warmup=0)


@takes(data=optional(a_path), picture=optional(a_path))
def assert_no_regression(
    baseline: str | Path,
    candidate: str | Path,
    *,
    data: str | Path | None = None,
    picture: str | Path | None = None,
    plan: Plan | None = None,
    delegate: str = "xnnpack",
    threads: int = 1,
    height: int | None = None,
    width: int | None = None,
    **gates: Any,
) -> FileComparison:
    """Compare two `.tflite` files as `sr-bench compare` does, and fail where a gate is not met.

    Example:
        >>> def test_the_new_file_is_as_good():
        ...     assert_no_regression(
        ...         "clipped.tflite", "clip_free.tflite", data="benchmark/Set5",
        ...         max_psnr_drop_db=0.02, no_clip_ops=True, pixel_contract=True,
        ...     )

    Args:
        baseline: What is there today.
        candidate: What shall replace it.
        data: Ground-truth pictures, for PSNR.
        picture: Output codes are compared on this picture, resized, and not on random pixels.
        plan: How to time; one round by default, or the protocol's own with `min_speedup`.
        delegate: What both run with.
        threads: Threads that both may use.
        height: Input height in pixels, where it shall differ from the files'.
        width: Input width in pixels, together with `height`.
        gates: What the candidate must reach: names of `GATES`, at least one.

    Returns:
        The whole comparison.

    Raises:
        AssertionError: A gate is not met; the message says which and what was found.
        TypeError: No gate, or an unknown one.
        SrError: Files, pictures or values that cannot be used.
    """
    asked = Gates(**gates)
    if not asked.to_json():
        raise TypeError("expected a gate such as max_psnr_drop_db=0.02, found none; give one")
    timed = Plan() if "min_speedup" in asked.to_json() else _QUICK
    found = compare_files(
        baseline,
        candidate,
        plan=plan or timed,
        delegate=delegate,
        threads=threads,
        height=height,
        width=width,
        gates=asked,
        datasets=() if data is None else find_datasets(data),
        picture=None if picture is None else load_image(picture),
    )
    if found.unmet:
        raise AssertionError("; ".join(found.unmet.values()))
    return found
