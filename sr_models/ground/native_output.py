"""What native libraries print past Python: caught, and shown only where something fails."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def caught_native_output() -> Iterator[Callable[[], str]]:
    """Catch everything written to the process's stdout and stderr, by whatever code.

    Yields:
        A function that reads what was caught so far.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile(mode="w+b") as caught:

        def read() -> str:
            caught.seek(0)
            return caught.read().decode(errors="replace")

        saved = [os.dup(1), os.dup(2)]
        try:
            os.dup2(caught.fileno(), 1)
            os.dup2(caught.fileno(), 2)
            yield read
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in zip((1, 2), saved):
                os.dup2(copy, number)
                os.close(copy)


def import_tensorflow_quietly(*, first: Callable[[], T] | None = None) -> T | None:
    """Import TensorFlow and let it look for devices, without its notes on GPUs and oneDNN.

    Its first messages come before any log level applies.

    Args:
        first: What must be done before devices are looked for, such as joining a cluster.

    Returns:
        What `first` returns.
    """
    with caught_native_output():
        import tensorflow

        done = first() if first else None
        tensorflow.config.list_logical_devices()
        tensorflow.get_logger().setLevel("ERROR")
    return done
