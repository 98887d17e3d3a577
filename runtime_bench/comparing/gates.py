"""Gates: what a candidate must reach against its baseline, for scripts and CI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sr_models.ground.errors import OptionError


@dataclass(frozen=True)
class Gates:
    """What the user asks of a candidate; `None` or false where nothing is asked.

    Attributes:
        max_psnr_drop_db: Most that raw RGB PSNR may fall on any dataset, in dB.
        min_speedup: Least ratio of medians, baseline over candidate. Above 1 the comparison must
            be significant too.
        max_code_difference: Most that any output code may differ.
        no_clip_ops: The candidate must hold no clip operator.
        pixel_contract: The candidate's codes must be pixels.
        max_partitions: Most partitions of the candidate that run in the delegate; it must take at
            least one, so that a file which runs without it never passes.
    """

    max_psnr_drop_db: float | None = None
    min_speedup: float | None = None
    max_code_difference: int | None = None
    no_clip_ops: bool = False
    pixel_contract: bool = False
    max_partitions: int | None = None

    def __post_init__(self):
        if self.min_speedup is not None and not self.min_speedup > 0:
            raise OptionError(f"expected a speed-up above 0, found {self.min_speedup:g}")
        if self.max_code_difference is not None and self.max_code_difference < 0:
            raise OptionError(
                f"expected a code difference of 0 or more, found {self.max_code_difference}"
            )
        if self.max_partitions is not None and self.max_partitions < 1:
            raise OptionError(f"expected at least 1 partition, found {self.max_partitions}")

    @property
    def need_audit(self) -> bool:
        """Whether the candidate's flatbuffer must be audited."""
        return self.no_clip_ops or self.pixel_contract

    def to_json(self) -> dict:
        """The gates that are asked for."""
        # By identity: a gate of zero is asked for, though zero equals false.
        asked = asdict(self).items()
        return {name: value for name, value in asked if value is not None and value is not False}


def judge(gates: Gates, facts: Mapping[str, Any]) -> dict[str, bool]:
    """Decide every gate that is asked for.

    Args:
        gates: What is asked.
        facts: `psnr_drop_db`, `speedup`, `significant`, `max_code_difference`, `clip_ops` (a
            list), `pixel_contract` (bool) and `partitions` (`None` where unknown, which fails);
            only those that the gates need.

    Returns:
        Gate name to whether it was passed, in the order of the options.
    """
    passed: dict[str, bool] = {}
    if gates.max_psnr_drop_db is not None:
        # Written so that a drop that is no number fails.
        passed["max_psnr_drop_db"] = bool(facts["psnr_drop_db"] <= gates.max_psnr_drop_db)
    if gates.min_speedup is not None:
        shown = gates.min_speedup <= 1 or facts["significant"]
        passed["min_speedup"] = bool(facts["speedup"] >= gates.min_speedup and shown)
    if gates.max_code_difference is not None:
        passed["max_code_difference"] = facts["max_code_difference"] <= gates.max_code_difference
    if gates.no_clip_ops:
        passed["no_clip_ops"] = not facts["clip_ops"]
    if gates.pixel_contract:
        passed["pixel_contract"] = bool(facts["pixel_contract"])
    if gates.max_partitions is not None:
        # None of them is not few, but none in the delegate.
        passed["max_partitions"] = 1 <= (facts["partitions"] or 0) <= gates.max_partitions
    return passed
