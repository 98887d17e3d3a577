"""A Keras model that the user's own Python made: in memory, or by `module:function`.

Naming a function is trusting it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from sr_models.ground.errors import NetworkError
from sr_models.importing.ends import with_one_output
from sr_models.importing.frozen_graph import first_line
from sr_models.importing.source_kinds import require_python_place

_LEGACY = "A KerasTensor cannot be used"
"""What Keras 3 says to a function of TensorFlow between layers, which Keras 2 took."""


class LegacyCodeError(NetworkError):
    """Code of the user's that Keras 3 refuses and Keras 2 may take.

    Attributes:
        found: What was expected and what was found.
    """

    def __init__(self, found: str):
        super().__init__(
            f"{found}; it looks like code for Keras 2: set TF_USE_LEGACY_KERAS=1, or build the "
            "network with layers in place of TensorFlow's functions"
        )
        self.found = found


@dataclass(frozen=True)
class PythonNetwork:
    """A Keras model of tf-keras or of Keras 3.

    Attributes:
        function: The model, of one picture tensor.
        input_shape: Shape of its input.
        name: What the model is called.
        file: Where the module that made it lies; `None` where that is not known.
        notes: Which of several outputs was taken, as a sentence.
    """

    function: Callable
    input_shape: tuple[int | None, ...]
    name: str
    file: Path | None = None
    notes: tuple[str, ...] = ()


def load_python_network(source: str, *, output: str | None = None) -> PythonNetwork:
    """Import a module, call the function, and take the Keras model that it returns.

    Args:
        source: `package.module:function`, found from the working folder on, or `file.py:function`.
        output: Name or number of the output that is the upscaled picture, where there are several.

    Raises:
        NetworkError: No such module or function, one that fails, or one that returns something
            else than a Keras model (of tf-keras or Keras 3) with one input.
    """
    model, module = build_python_model(source)
    _require_model(
        model,
        expected=f"{source} to return a Keras model",
        cure="return a tf_keras.Model or a model of Keras 3",
    )
    file = getattr(module, "__file__", None)
    return replace(take_keras_model(model, output=output), file=Path(file) if file else None)


def build_python_model(source: str) -> tuple[Any, ModuleType]:
    """Import a module and call the function: what it returns, and the module.

    Raises:
        LegacyCodeError: Keras 3 refused what Keras 2 takes.
        NetworkError: No such module or function, or one that fails.
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
        return build(), module
    except Exception as error:  # The user's own code.
        found = (
            f"expected {source} to return a Keras model, found {type(error).__name__}: "
            f"{first_line(error)}"
        )
        if _LEGACY in str(error):
            raise LegacyCodeError(found) from error
        raise NetworkError(f"{found}; call it without arguments in Python to see why") from error


def take_keras_model(model: Any, *, output: str | None = None) -> PythonNetwork:
    """Take a Keras model as it is in memory; both libraries have models of the same shape.

    Args:
        model: Of one input.
        output: Name or number of the output that is the upscaled picture, where there are several.

    Raises:
        NetworkError: Something else than a Keras model (of tf-keras or Keras 3) with one input, or
            one of whose outputs none or several may be the picture.
    """
    _require_model(
        model,
        expected="a preset's name, a path or a Keras model",
        cure="give a tf_keras.Model or a model of Keras 3",
    )
    if len(model.inputs) != 1:
        raise NetworkError(
            f"expected one input, found {len(model.inputs)}; give a network that takes one picture "
            "and returns one"
        )
    shape, notes = tuple(model.inputs[0].shape), ()
    names = list(map(str, getattr(model, "output_names", range(len(model.outputs)))))

    def function(x):
        return model(x, training=False)

    if len(names) > 1 or output is not None:
        function, said = with_one_output(function, shape, names=names, asked=output)
        notes = (said,) if said else ()
    return PythonNetwork(function, shape, str(model.name), notes=notes)


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
        found = (
            f"expected {place} to be importable, found {type(error).__name__}: {first_line(error)}"
        )
        if _LEGACY in str(error):
            raise LegacyCodeError(found) from error
        raise NetworkError(f"{found}; import it in Python to see why") from error


def _from_file(path: Path) -> ModuleType:
    require_python_place(str(path))
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


def _require_model(model: Any, *, expected: str, cure: str) -> None:
    if callable(model) and isinstance(getattr(model, "inputs", None), list):
        return
    found = type(model).__name__
    if callable(model) and hasattr(model, "layers"):
        found = f"{found} that has not been called yet"
    raise NetworkError(f"expected {expected}, found {found}; {cure}")
