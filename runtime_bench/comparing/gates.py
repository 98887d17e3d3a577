"""Gates: what a candidate must reach against its baseline, for scripts and CI.

A gate is one `Gate` in `GATES`. The options of `sr-bench compare`, the keywords of
`assert_no_regression` and the keys of the JSON follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sr_models.ground.arguments import a_flag, a_number, whole_number
from sr_models.ground.errors import OptionError

Facts = Mapping[str, Any]
"""What a comparison found, for gates to look at:

`psnr_drop_db` (`None` without pictures), `speedup`, `significant`, `verdict`,
`max_code_difference`, `partitions` (`None` where unknown), `baseline` and `candidate` (`Latency`),
`quality` (the results on pictures); and `audit` (`export.inspecting.audit.Audit` of the candidate)
where a gate asks for it.
"""


@dataclass(frozen=True)
class Gate:
    """One gate.

    Attributes:
        name: Its keyword and its key in JSON; its option has dashes instead.
        kind: Type of its limit: `float` or `int`, or `bool` for a gate without a limit.
        help: What it asks, for `--help`.
        passes: Whether the facts meet the limit.
        found: What the facts have of it, for the message that it is not met.
        reasons: Why it is not met, from the facts; empty where `found` says it all.
        require: Raises `OptionError` for a limit that cannot be.
        needs_audit: Whether the candidate's flatbuffer must be audited.
        needs_pictures: Whether ground truth must be given.
    """

    name: str
    kind: type
    help: str
    passes: Callable[[Any, Facts], bool]
    found: Callable[[Facts], str] = lambda facts: "not so"
    reasons: Callable[[Facts], list[str]] = lambda facts: []
    require: Callable[[Any], None] = lambda limit: None
    needs_audit: bool = False
    needs_pictures: bool = False

    @property
    def option(self) -> str:
        """Its option on the command line."""
        return f"--{self.name.replace('_', '-')}"


def _require_speedup(limit: float) -> None:
    if not limit > 0:
        raise OptionError(f"expected a speed-up above 0, found {limit:g}")


def _require_difference(limit: int) -> None:
    if limit < 0:
        raise OptionError(f"expected a code difference of 0 or more, found {limit}")


def _require_partitions(limit: int) -> None:
    if limit < 1:
        raise OptionError(f"expected at least 1 partition, found {limit}")


GATES = (
    Gate(
        "max_psnr_drop_db",
        float,
        "Gate: most that raw RGB PSNR may fall on any dataset.",
        # Written so that a drop that is no number fails.
        passes=lambda limit, facts: facts["psnr_drop_db"] <= limit,
        found=lambda facts: str(facts["psnr_drop_db"]),
        needs_pictures=True,
    ),
    Gate(
        "min_speedup",
        float,
        "Gate: least speed-up; above 1 it must be significant.",
        passes=lambda limit, facts: (
            facts["speedup"] >= limit and (limit <= 1 or facts["significant"])
        ),
        found=lambda facts: f"{facts['speedup']:.3f} ({facts['verdict']})",
        require=_require_speedup,
    ),
    Gate(
        "max_code_difference",
        int,
        "Gate: most that any output code may differ.",
        passes=lambda limit, facts: facts["max_code_difference"] <= limit,
        found=lambda facts: str(facts["max_code_difference"]),
        require=_require_difference,
    ),
    Gate(
        "no_clip_ops",
        bool,
        "Gate: no clip operator in the candidate.",
        passes=lambda limit, facts: not facts["audit"].clip_ops,
        reasons=lambda facts: [f"clip operator: {op}" for op in facts["audit"].clip_ops],
        needs_audit=True,
    ),
    Gate(
        "pixel_contract",
        bool,
        "Gate: the candidate's codes are pixels.",
        passes=lambda limit, facts: facts["audit"].pixel_contract.holds,
        reasons=lambda facts: [str(reason) for reason in facts["audit"].pixel_contract.reasons],
        needs_audit=True,
    ),
    Gate(
        "max_partitions",
        int,
        "Gate: most partitions that run in the delegate, at least 1.",
        # None of them is not few, but none in the delegate.
        passes=lambda limit, facts: 1 <= (facts["partitions"] or 0) <= limit,
        found=lambda facts: f"{facts['partitions']} with {facts['candidate'].delegate}",
        require=_require_partitions,
    ),
)


_KINDS = {float: a_number, int: whole_number(), bool: a_flag}


class Gates:
    """What the user asks of a candidate.

    Args:
        asked: Names of `GATES` and their limits; `None` or false where nothing is asked.

    Raises:
        TypeError: A gate that is not known.
        OptionError: A limit that cannot be.
    """

    def __init__(self, **asked: Any):
        known = {gate.name for gate in GATES}
        if unknown := set(asked) - known:
            raise TypeError(
                f"expected gates of {', '.join(known)}, found {', '.join(sorted(unknown))}"
            )
        # By identity: a gate of zero is asked for, though zero equals false.
        self._limits = {
            gate: asked[gate.name]
            for gate in GATES
            if asked.get(gate.name) is not None and asked[gate.name] is not False
        }
        for gate, limit in self._limits.items():
            _KINDS[gate.kind](gate.name, limit)
            gate.require(limit)

    @property
    def need_audit(self) -> bool:
        """Whether the candidate's flatbuffer must be audited."""
        return any(gate.needs_audit for gate in self._limits)

    def require_pictures(self, given: Any) -> None:
        """Raise `OptionError` where a gate looks at pictures and there are none."""
        for gate in self._limits:
            if gate.needs_pictures and not given:
                raise OptionError(f"expected pictures for {gate.option}, found none; give --data")

    def judge(self, facts: Facts) -> dict[str, bool]:
        """Decide every gate that is asked for.

        Args:
            facts: Those that the gates need.

        Returns:
            Gate name to whether it was passed, in the order of the options.
        """
        return {gate.name: bool(gate.passes(limit, facts)) for gate, limit in self._limits.items()}

    def reasons(self, facts: Facts) -> tuple[str, ...]:
        """What the facts have to say about gates that are not met."""
        return tuple(
            reason
            for gate, limit in self._limits.items()
            if not gate.passes(limit, facts)
            for reason in gate.reasons(facts)
        )

    def unmet(self, facts: Facts) -> dict[str, str]:
        """For each gate that is not met, what was asked and what was found."""
        return {
            gate.name: f"expected {gate.name} {limit}, found "
            f"{', '.join(gate.reasons(facts)) or gate.found(facts)}"
            for gate, limit in self._limits.items()
            if not gate.passes(limit, facts)
        }

    def to_json(self) -> dict[str, Any]:
        """The limits of the gates that are asked for."""
        return {gate.name: limit for gate, limit in self._limits.items()}
