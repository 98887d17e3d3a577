"""`module:function`: a network that the user's own Python builds. Naming it is trusting it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from sr_models.ground.errors import NetworkError
from sr_models.importing.frozen_graph import first_line


@dataclass(frozen=True)
class PythonNetwork:
    """A Keras model that a function returned.

    Attributes:
        function: The model, of one picture tensor.
        input_shape: Shape of its input.
        file: Where the module lies; `None` where it has no file.
    """

    function: Callable
    input_shape: tuple[int | None, ...]
    file: Path | None


def load_python_network(source: str) -> PythonNetwork:
    """Import a module, call the function, and take the Keras model that it returns.

    Args:
        source: `package.module:function`, found from the working folder on, or `file.py:function`.

    Raises:
        NetworkError: No such module or function, one that fails, or one that returns something
            else than a Keras model (of tf-keras or Keras 3) with one input and one output.
    """
    place, _, name = source.rpartition(":")
    module = _imported(place, source)
    build = getattr(module, name, None)
    if not callable(build):
        names = sorted(n for n, v in vars(module).items() if callable(v) and not n.startswith("_"))
        raise NetworkError(
            f"expected a function {name} in {place}, found {', '.join(names[:8]) or 'none'}; give "
            "module:function"
        )
    try:
        model = build()
    except Exception as error:  # The user's own code.
        raise NetworkError(
            f"expected {source} to return a Keras model, found {type(error).__name__}: "
            f"{first_line(error)}; call it without arguments in Python to see why"
        ) from error
    file = getattr(module, "__file__", None)
    return PythonNetwork(
        lambda x: model(x, training=False),
        _input_shape(model, source),
        Path(file) if file else None,
    )


def _imported(place: str, source: str) -> ModuleType:
    try:
        if place.endswith(".py"):
            return _from_file(Path(place))
        here = str(Path.cwd())
        sys.path.insert(0, here)
        try:
            return importlib.import_module(place)
        finally:
            sys.path.remove(here)
    except NetworkError:
        raise
    except ModuleNotFoundError as error:
        missing = error.name or place
        if missing == place or place.startswith(f"{missing}."):
            raise NetworkError(
                f"expected a module {place}, found none from {Path.cwd()} on; check the name, or "
                "give file.py:function"
            ) from None
        raise NetworkError(
            f"expected {place} to be importable, found no module {missing}; install it"
        ) from error
    except Exception as error:  # The user's own code.
        raise NetworkError(
            f"expected {place} to be importable, found {type(error).__name__}: "
            f"{first_line(error)}; import it in Python to see why"
        ) from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise NetworkError(f"expected a Python file, found no file {path}; check the path")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    # Its neighbours are found as if it was run as a script.
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


def _input_shape(model: Any, source: str) -> tuple[int | None, ...]:
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not callable(model) or not isinstance(inputs, list):
        found = type(model).__name__
        if callable(model) and hasattr(model, "layers"):
            found = f"{found} that has not been called yet"
        raise NetworkError(
            f"expected {source} to return a Keras model, found {found}; return a tf_keras.Model "
            "or a model of Keras 3"
        )
    for ends, what in ((inputs, "input"), (outputs, "output")):
        if len(ends) != 1:
            raise NetworkError(
                f"expected one {what}, found {len(ends)}; give a network that takes one picture "
                "and returns one"
            )
    return tuple(inputs[0].shape)
