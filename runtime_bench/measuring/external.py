"""Delegates from shared libraries: `external:PATH[,key=value...]` in place of a delegate's name."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from export.running.interpreters import Runner, open_model
from export.running.runtimes import RUNTIMES, Runtime
from sr_models.ground.errors import ModelFileError, OptionError
from sr_models.tflite.files import ModelFile

PREFIX = "external:"
SYMBOLS = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")
# Nodes that the library leaves run on the interpreter's own kernels, so that the delegate nodes
# in the graph are the library's.
_REST = "builtin"


@dataclass(frozen=True)
class ExternalDelegate:
    """A shared library that holds a delegate.

    Attributes:
        path: The library; it exports `tflite_plugin_create_delegate`
            (tflite/delegates/external/external_delegate_interface.h).
        options: Its options.
    """

    path: str
    options: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What results call it: `external:` and the library's file name."""
        return PREFIX + Path(self.path).name

    def applied_by(self, runtime: Runtime) -> Runtime:
        """The same interpreter, which applies this delegate.

        Raises:
            OptionError: The library cannot be loaded, or makes no delegate.
        """
        load = import_module(RUNTIMES[runtime.name]).load_delegate
        try:
            # Where these are missing, the interpreter's own loader fails a second time, on a
            # traceback of its own.
            library = ctypes.CDLL(self.path)
            for symbol in SYMBOLS:
                getattr(library, symbol)
            delegate = load(self.path, dict(self.options))
        except (ValueError, OSError, AttributeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise OptionError(
                f"expected a library with a TFLite delegate, found: {reason}: {self.path}; give "
                f"{PREFIX}PATH[,key=value]"
            ) from error
        interpreter = partial(runtime.interpreter, experimental_delegates=[delegate])
        return replace(runtime, interpreter=interpreter)


def parse_external(text: str) -> ExternalDelegate:
    """Read `external:PATH[,key=value...]`.

    Raises:
        OptionError: No path, or an option without `=`.
    """
    path, *options = text.removeprefix(PREFIX).split(",")
    pairs = [tuple(option.split("=", 1)) for option in options]
    if not path or any(len(pair) != 2 or not pair[0] for pair in pairs):
        raise OptionError(f"expected {PREFIX}PATH[,key=value...], found {text!r}")
    return ExternalDelegate(path, tuple(pairs))


def open_with_delegate(
    model: ModelFile, *, delegate: str, runtime: Runtime, **options: Any
) -> Runner:
    """`open_model`, whose delegate may also be `external:PATH[,key=value...]`.

    Raises:
        ModelFileError: The file cannot be read or run, or the delegate refuses it.
        OptionError: An unknown delegate, or a library that holds none.
    """
    if not delegate.startswith(PREFIX):
        return open_model(model, delegate=delegate, runtime=runtime, **options)
    external = parse_external(delegate)
    try:
        runner = open_model(model, delegate=_REST, runtime=external.applied_by(runtime), **options)
    except ModelFileError as error:
        raise ModelFileError(str(error).replace(f", {_REST})", f", {external.name})")) from error
    runner.delegate = external.name
    return runner
