"""How long opened files take: rounds that run each of them once, so that a drift touches all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from export.running.plan import LEAST_RUNS, Plan

Clock = Callable[[], float]


@dataclass(frozen=True)
class Samples:
    """How long one file took.

    Attributes:
        first_ms: The cold first inference, milliseconds.
        samples_ms: Every timed run in order of rounds, milliseconds.
    """

    first_ms: float
    samples_ms: tuple[float, ...]


def time_interleaved(
    runners: Sequence[Any],
    plan: Plan | None = None,
    *,
    clock: Clock = time.perf_counter,
    on_step: Callable[[int, int], Any] | None = None,
) -> list[Samples]:
    """Time opened files in interleaved rounds: each round runs each once, in an order by seed.

    Interleaving lets a change of the machine's speed touch every file alike, and the changing order
    keeps one from always running in another's wake.

    Args:
        runners: What to invoke, with inputs set: `export.running.interpreters.Runner` or the like.
        plan: Rounds, budget, warm-up and seed.
        clock: Seconds, monotonic.
        on_step: Called with the rounds done and the rounds at most.

    Returns:
        One entry per file, in their order; sample `i` of each comes from round `i`.
    """
    plan = plan or Plan()
    first_ms = [_timed(runner, clock) for runner in runners]
    for _ in range(plan.warmup):
        for runner in runners:
            runner.invoke()
    rng = np.random.default_rng(plan.seed)
    samples: list[list[float]] = [[] for _ in runners]
    start = clock()
    for done in range(plan.runs):
        if done >= LEAST_RUNS and clock() - start > plan.seconds:
            break
        for index in rng.permutation(len(runners)):
            samples[index].append(_timed(runners[index], clock))
        if on_step is not None:
            on_step(done + 1, plan.runs)
    return [Samples(first, tuple(taken)) for first, taken in zip(first_ms, samples)]


def _timed(runner: Any, clock: Clock) -> float:
    start = clock()
    runner.invoke()
    return (clock() - start) * 1e3
