"""How to time; known before any library is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from sr_models.ground.arguments import finite_number, require_fields, whole_number
from sr_models.ground.errors import OptionError

# A budget of seconds never cuts a sample below what a median needs.
LEAST_RUNS = 5


@dataclass(frozen=True)
class Plan:
    """How to time.

    Attributes:
        runs: Timed rounds at most.
        seconds: Time budget for all rounds together; at least `LEAST_RUNS` rounds are done.
        warmup: Untimed rounds before them, after the cold first inference.
        seed: Seed of the input data and of the order within each round.
    """

    runs: int = 50
    seconds: float = 60.0
    warmup: int = 3
    seed: int = 0

    def __post_init__(self):
        require_fields(
            self,
            runs=whole_number(),
            seconds=finite_number,
            warmup=whole_number(),
            seed=whole_number(),
        )
        if self.runs < 1:
            raise OptionError(f"expected at least 1 run, found {self.runs}; change --runs")
        if not self.seconds > 0:
            raise OptionError(f"expected more than 0 seconds, found {self.seconds:g}")
        if self.warmup < 0:
            raise OptionError(f"expected 0 or more warm-up runs, found {self.warmup}")
        if self.seed < 0:
            raise OptionError(f"expected a seed of 0 or more, found {self.seed}")
