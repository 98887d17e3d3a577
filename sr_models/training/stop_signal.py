"""SIGINT and SIGTERM as a wish: finish the step, write a checkpoint, then end."""

from __future__ import annotations

import signal


class StopSignal:
    """While entered, notes the first SIGINT or SIGTERM in `name` instead of acting on it."""

    def __init__(self):
        self.name: str | None = None

    def __enter__(self):
        self._former = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def _note(self, number, _frame):
        self.name = signal.Signals(number).name

    def __exit__(self, *_):
        for number, handler in self._former.items():
            signal.signal(number, handler)
