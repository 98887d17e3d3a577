"""Since when TFLite runtimes have had the operator versions that a file asks for.

A runtime refuses a file with one operator version that it does not know. Every eight-bit
super-resolution file needs 2.5 anyway, for `DEPTH_TO_SPACE`; listed is what is younger than that,
after TFLite's own table (`tools/versioning/runtime_version.cc`).
"""

from __future__ import annotations

BASELINE = (2, 5)

_SINCE: dict[str, dict[int, tuple[int, int]]] = {
    "ADD": {4: (2, 6), 5: (2, 13)},
    "BATCH_TO_SPACE_ND": {4: (2, 12)},
    "CAST": {2: (2, 7), 3: (2, 8), 4: (2, 9), 5: (2, 12), 6: (2, 15), 7: (2, 17)},
    "CONCATENATION": {4: (2, 14)},
    "CONV_2D": {6: (2, 9), 7: (2, 11), 8: (2, 15)},
    "DEPTHWISE_CONV_2D": {7: (2, 11)},
    "FULLY_CONNECTED": {10: (2, 11), 11: (2, 15), 12: (2, 17), 13: (2, 18)},
    "GATHER": {6: (2, 13), 7: (2, 15)},
    "MUL": {5: (2, 6), 6: (2, 11), 7: (2, 13)},
    "PACK": {4: (2, 13)},
    "PAD": {4: (2, 6)},
    "PADV2": {4: (2, 6)},
    "SPACE_TO_BATCH_ND": {4: (2, 12)},
    "STRIDED_SLICE": {6: (2, 6), 7: (2, 14), 8: (2, 14)},
    "TILE": {3: (2, 8)},
    "TRANSPOSE": {6: (2, 12), 7: (2, 14)},
    "TRANSPOSE_CONV": {4: (2, 13), 5: (2, 15)},
}


def runtime_needed(name: str, version: int) -> tuple[int, int]:
    """The first TFLite release, as (major, minor), that has a version of an operator.

    `BASELINE` for anything as old as that, and for operators that the table does not name; for a
    version beyond the table's, that of its newest.
    """
    since = [release for known, release in _SINCE.get(name, {}).items() if known <= version]
    return max(since, default=BASELINE)
