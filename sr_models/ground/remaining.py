"""How long the rest of some work takes, by how long its beginning took."""

from __future__ import annotations

import time
from collections.abc import Callable

_TRUSTED_SHARE = 0.05
_TRUSTED_SECONDS = 2.0
"""Before so much is done, and so long has passed, nothing is said."""


class Remaining:
    """Says what is left of work whose amount is known.

    The work is taken to go on as fast as it went so far.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        """The work begins now.

        Args:
            clock: Returns seconds.
        """
        self._clock, self._start = clock, clock()
        self._done, self._total = 0.0, 0.0

    def update(self, done: float, total: float) -> None:
        """So much is done of so much, in any unit; less than before is other work, which begins."""
        if done < self._done:
            self._start = self._clock()
        self._done, self._total = done, total

    @property
    def seconds(self) -> float | None:
        """What is left; `None` where too little is done to tell."""
        passed = self._clock() - self._start
        if passed < _TRUSTED_SECONDS or self._done < _TRUSTED_SHARE * self._total:
            return None
        return passed * (self._total - self._done) / self._done if self._done else None

    def __str__(self) -> str:
        """`"about 2 min left"`; empty where nothing can be told, or nothing is worth telling."""
        left = self.seconds
        if left is None or left < 5.0:
            return ""
        if left < 95.0:
            return f"about {max(10, 10 * round(left / 10.0))} s left"
        if left < 5700.0:
            return f"about {round(left / 60.0)} min left"
        return f"about {left / 3600.0:.1f} h left"
