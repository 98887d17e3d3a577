"""What native libraries print past Python: caught, and shown only where something fails."""

from __future__ import annotations

import gc
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


_IMPORTED_EAGERLY = "keras.src.optimizers"
"""Of Keras 3, by TensorFlow, which goes on without it: a quarter of all that is imported with it,
matplotlib included. It is loaded when somebody asks for it, as ever."""


@contextmanager
def only_what_is_needed() -> Iterator[None]:
    """While TensorFlow is imported: two thirds of the time, and no work for the collector later.

    There are some hundred thousand objects that live as long as the process: the collector would go
    through them a dozen times during the import, and in every conversion of a network again.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    was_enabled, blocked = gc.isenabled(), _IMPORTED_EAGERLY not in sys.modules
    gc.disable()
    if blocked:
        sys.modules[_IMPORTED_EAGERLY] = None
    try:
        yield
    finally:
        if blocked:
            del sys.modules[_IMPORTED_EAGERLY]
        gc.freeze()
        if was_enabled:
            gc.enable()


def import_tensorflow_quietly(*, first: Callable[[], T] | None = None) -> T | None:
    """Import TensorFlow and let it look for devices, without its notes on GPUs and oneDNN.

    Its first messages come before any log level applies.

    Args:
        first: What must be done before devices are looked for, such as joining a cluster.

    Returns:
        What `first` returns.
    """
    with caught_native_output(), only_what_is_needed():
        import tensorflow
        import tf_keras  # noqa: F401 - what every network here is made of

        done = first() if first else None
        tensorflow.config.list_logical_devices()
        tensorflow.get_logger().setLevel("ERROR")
    return done
