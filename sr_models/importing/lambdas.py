"""Lambda layers of strangers' files: the usual ones are known by their bytecode, none is run.

A file holds a Lambda as marshalled bytecode. We write down what people put there (a clip, a
depth-to-space, a scale), compile our own text with the numbers found in theirs, and compare
instructions, constants and names. Where all are equal, our own function takes its place. Bytecode
of another Python version is never equal, and is refused like any unknown one.
"""

from __future__ import annotations

import binascii
import builtins
import itertools
import keyword
import marshal
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras

from sr_models.ground.errors import NetworkError
from sr_models.importing.marshalled_code import Code, OtherPythonError, read_code

_IMPORTED = ("tf", "K", "backend", "keras", "tf_keras")
_BACKENDS = ("K", "backend", "keras.backend", "tf_keras.backend", "tf" + ".keras.backend")


def _clip(low, high):
    return lambda x: tf.clip_by_value(x, low, high)


def _depth_to_space(block):
    return lambda x: tf.nn.depth_to_space(x, block)


_TEXTS: list[tuple[str, Callable]] = [
    ("tf.clip_by_value(x, {0}, {1})", _clip),
    ("tf.clip_by_value(x, clip_value_min={0}, clip_value_max={1})", _clip),
    *((f"{backend}.clip(x, {{0}}, {{1}})", _clip) for backend in _BACKENDS),
    *((f"{backend}.clip(x, min_value={{0}}, max_value={{1}})", _clip) for backend in _BACKENDS),
    ("tf.minimum(tf.maximum(x, {0}), {1})", _clip),
    ("tf.maximum(tf.minimum(x, {1}), {0})", _clip),
    ("tf.math.minimum(tf.math.maximum(x, {0}), {1})", _clip),
    ("tf.minimum(x, {0})", lambda high: lambda x: tf.minimum(x, high)),
    ("tf.maximum(x, {0})", lambda low: lambda x: tf.maximum(x, low)),
    ("tf.nn.depth_to_space(x, {0})", _depth_to_space),
    ("tf.nn.depth_to_space(x, block_size={0})", _depth_to_space),
    ("tf.depth_to_space(x, {0})", _depth_to_space),
    ("tf.compat.v1.depth_to_space(x, {0})", _depth_to_space),
    ("tf.nn.relu(x)", lambda: tf.nn.relu),
    ("tf.nn.relu6(x)", lambda: tf.nn.relu6),
    ("tf.nn.leaky_relu(x, {0})", lambda slope: lambda x: tf.nn.leaky_relu(x, slope)),
    ("tf.nn.leaky_relu(x, alpha={0})", lambda slope: lambda x: tf.nn.leaky_relu(x, slope)),
    ("tf.add(x[0], x[1])", lambda: lambda x: tf.add(x[0], x[1])),
    ("x[0] + x[1]", lambda: lambda x: x[0] + x[1]),
    ("tf.concat(x, {0})", lambda axis: lambda x: tf.concat(x, axis)),
    ("tf.concat(x, axis={0})", lambda axis: lambda x: tf.concat(x, axis)),
    ("x / {0}", lambda a: lambda x: x / a),
    ("x * {0}", lambda a: lambda x: x * a),
    ("x + {0}", lambda a: lambda x: x + a),
    ("x - {0}", lambda a: lambda x: x - a),
    ("{0} * x", lambda a: lambda x: a * x),
    ("x / {0} - {1}", lambda a, b: lambda x: x / a - b),
    ("x * {0} - {1}", lambda a, b: lambda x: x * a - b),
    ("x * {0} + {1}", lambda a, b: lambda x: x * a + b),
    ("(x - {0}) / {1}", lambda a, b: lambda x: (x - a) / b),
    ("(x - {0}) * {1}", lambda a, b: lambda x: (x - a) * b),
    ("(x + {0}) * {1}", lambda a, b: lambda x: (x + a) * b),
    ("(x + {0}) / {1}", lambda a, b: lambda x: (x + a) / b),
]
"""What stands behind `lambda x:`, with {0}, {1} for numbers, and our own function of them."""

_FUNCTIONS = {
    "depth_to_space": tf.nn.depth_to_space,
    "depth_to_space_v2": tf.nn.depth_to_space,
    "clip_by_value": tf.clip_by_value,
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
}
_ARGUMENTS = {
    "depth_to_space_v2": ("block_size",),
    "clip_by_value": ("clip_value_min", "clip_value_max"),
}
"""What TensorFlow's functions are called with, where that tells them from a user's own."""
_HOMES = ("tensorflow", "keras", "tf_keras")


def read_lambda(config: dict[str, Any], *, trust: bool) -> Callable:
    """The function of a Lambda layer.

    Args:
        config: The layer's, from the file.
        trust: Whether code from the file may be run where we do not know it.

    Raises:
        NetworkError: An unknown function, and no trust.
    """
    name, arguments = config.get("name", "lambda"), config.get("arguments") or {}
    named = _named(config)
    if named is not None:
        return lambda x: named(x, **arguments)
    saved = _saved(config)
    if saved is None:
        raise NetworkError(
            f"expected a Lambda layer whose code is in the file, found a name in {name}; build the "
            "network in Python and give module:function"
        )
    _require_this_python(saved, name)
    if not arguments and not saved.defaults:
        known = known_function(saved.code, closure=saved.closure)
        if known is not None:
            return known
    if not trust:
        raise NetworkError(
            f"expected layers without code of their own, found a Lambda that we do not know "
            f"({name}); give --trust to run code from this file, or use a layer in its place"
        )
    return _trusted(saved, name, arguments)


def _require_this_python(saved: _Saved, name: str) -> None:
    """Raise `NetworkError` for code that nothing can run here, trusted or not."""
    try:
        read_code(saved.code)
    except OtherPythonError as error:
        raise _other_python(name) from error
    except ValueError:
        pass  # More than a short lambda's code, which may be trusted.


def _other_python(name: str) -> NetworkError:
    version = ".".join(map(str, sys.version_info[:2]))
    return NetworkError(
        f"expected a Lambda that Python {version} wrote, found another version's code in {name}, "
        "which nothing can run here; build the network in Python and give module:function"
    )


@dataclass(frozen=True)
class _Saved:
    """A function as Keras saves one: marshalled code, default arguments, enclosed variables."""

    code: bytes
    defaults: tuple
    closure: tuple


def _named(config: dict[str, Any]) -> Callable | None:
    """A function of TensorFlow or Keras that the file only names.

    Keras 3 writes "builtins" as the module of any function, the user's own too; there it takes
    arguments or a name that TensorFlow's function alone has.
    """
    function, arguments = config.get("function"), config.get("arguments") or {}
    if isinstance(function, dict) and function.get("class_name") == "function":
        home, function = function.get("module") or "builtins", function.get("config")
    else:
        home = config.get("module") or ""
    if not isinstance(home, str) or not isinstance(function, str):
        return None
    proven = home.split(".")[0] in _HOMES or (
        home == "builtins" and set(_ARGUMENTS.get(function, ("",))) <= set(arguments)
    )
    return _FUNCTIONS.get(function) if proven else None


def _saved(config: dict[str, Any]) -> _Saved | None:
    function = config.get("function")
    if isinstance(function, dict) and function.get("class_name") == "__lambda__":
        parts = function["config"]
        function = [parts["code"], parts.get("defaults"), parts.get("closure")]
    if not isinstance(function, (list, tuple)) or not isinstance(function[0], str):
        return None
    more = [tuple(part) if isinstance(part, (list, tuple)) else () for part in function[1:3]]
    try:
        return _Saved(binascii.a2b_base64(function[0].encode()), *more)
    except (ValueError, TypeError, binascii.Error):
        return None


def known_function(marshalled: bytes, *, closure: tuple = ()) -> Callable | None:
    """Our own function that has the given bytecode; `None` for code that we do not know.

    Args:
        marshalled: The code.
        closure: Values of the enclosing function's variables that it reads.
    """
    try:
        code = read_code(marshalled)
    except ValueError:
        return None
    free = code.variables[1:]
    if code.arguments != 1 or len(free) != len(closure) or not _are_plain(free):
        return None
    values = {repr(c): c for c in code.constants if type(c) in (int, float)} | {
        name: value for name, value in zip(free, closure) if type(value) in (int, float)
    }
    for text, make in _TEXTS:
        slots = sum(slot in text for slot in ("{0}", "{1}"))
        for chosen in itertools.product(values, repeat=slots):
            if _is_same(code, text.format(*chosen), free):
                return make(*(values[name] for name in chosen))
    return None


def _are_plain(names: tuple) -> bool:
    return all(
        isinstance(n, str) and n.isidentifier() and not keyword.iskeyword(n) and n != "x"
        for n in names
    )


def _is_same(code: Code, text: str, free: tuple) -> bool:
    """Whether code is that of `lambda x: text` inside of a function with the variables `free`."""
    function = f"def around({', '.join(free)}): return lambda x: {text}"
    # A call on an imported name is compiled in another way than one on any other name.
    for before in ("", f"import {', '.join(_IMPORTED)}\n"):
        outer = _code_objects(compile(before + function, "", "exec"))
        ours = next(_code_objects(next(outer)))
        if (
            ours.co_code == code.instructions
            and list(map(_typed, ours.co_consts)) == list(map(_typed, code.constants))
            and ours.co_names == code.names
            and ours.co_freevars == free
        ):
            return True
    return False


def _typed(value: Any) -> tuple[type, Any]:
    return type(value), value  # 1 is not 1.0, nor True


def _code_objects(code: types.CodeType) -> Iterator[types.CodeType]:
    return (c for c in code.co_consts if isinstance(c, types.CodeType))


def _trusted(saved: _Saved, name: str, arguments: dict[str, Any]) -> Callable:
    """The Lambda's own code, which runs from here on."""
    try:
        code = marshal.loads(saved.code)
        cells = tuple(types.CellType(value) for value in saved.closure)
        function = types.FunctionType(code, _names(), name, saved.defaults, cells)
    except (ValueError, EOFError, TypeError) as error:
        raise _other_python(name) from error
    return lambda x: function(x, **arguments)


def _names() -> dict[str, Any]:
    """What lambdas usually find around them."""
    import numpy as np

    return {
        "tf": tf,
        "tensorflow": tf,
        "K": tf_keras.backend,
        "backend": tf_keras.backend,
        "keras": tf_keras,
        "tf_keras": tf_keras,
        "np": np,
        "__builtins__": builtins,
    }
