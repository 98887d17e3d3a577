"""A Keras file as Keras itself loads it: what a network read without Keras is held against.

Keras' loader imports what a file names and may run code from it. So it is given a copy of the file
of which only numbers and words are left, after every class in it was found to be Keras' own; the
function of each Lambda is the one that `lambdas` knows, or that `--trust` let run.
"""

from __future__ import annotations

import importlib
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import tensorflow as tf
import tf_keras

from sr_models.importing.frozen_graph import first_line
from sr_models.importing.keras_configuration import MODELS, BuiltModel
from sr_models.importing.source_check import Source

_ENTRY = ("class_name", "name", "module", "registered_name")
_TRAINING = ("_initializer", "_regularizer", "_constraint")
_PLAIN_CLASSES = ("__keras_tensor__", "__ellipsis__", "__slice__")
_POLICIES = ("float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float64")
_LAMBDA = "FunctionOfTheFile"


class _NotPlain(Exception):
    """A configuration that holds more than numbers and words."""


def keras_source(path: Path, config: dict[str, Any], built: BuiltModel, *, version: int) -> Source:
    """A Keras file loaded by Keras, to be run beside what was built from it.

    Args:
        path: The file.
        config: Its configuration.
        built: What was built from that, whose classes are all known.
        version: Keras' main version: 2 or 3.
    """
    try:
        library = tf_keras if version == 2 else _keras3()
        functions: dict[str, Callable] = {}
        clean = _cleaned(config, built, functions)
        classes = {name: _layer_class(library, name, f) for name, f in functions.items()}
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, f"net{'.keras' if zipfile.is_zipfile(path) else '.h5'}")
            _write_copy(path, copy, json.dumps(clean))
            model = library.models.load_model(copy, custom_objects=classes, compile=False)
    except _NotPlain as error:
        return Source(reason=f"the file holds {error}, which Keras could run", is_read_from=True)
    except Exception as error:  # Of another version's file Keras raises whatever it comes upon.
        reason = f"Keras {version} does not load the file here ({first_line(_first(error))})"
        return Source(reason=reason, is_read_from=True)
    return Source(
        lambda x: model(x, training=False),
        what=f"the file as Keras {library.__version__} loads it",
        is_read_from=True,
    )


def _first(error: BaseException) -> BaseException:
    """The error that others were raised for."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error


def _keras3():
    """Keras 3, where it is there and computes with TensorFlow. No other code of ours needs it."""
    library = importlib.import_module("keras")
    found = f"Keras {library.__version__} on {library.config.backend()}"
    if not library.__version__.startswith("3") or library.config.backend() != "tensorflow":
        raise RuntimeError(f"found {found}")
    return library


def _layer_class(library, name: str, function: Callable) -> type:
    call = tf.autograph.experimental.do_not_convert(lambda self, x, **_: function(x))
    return type(name, (library.layers.Layer,), {"call": call})


def _write_copy(path: Path, copy: Path, config: str) -> None:
    if copy.suffix == ".h5":
        copy.write_bytes(path.read_bytes())
        with h5py.File(copy, "r+") as file:
            for name in ("training_config", "model_config"):
                file.attrs.pop(name, None)
            file.attrs["model_config"] = config
        return
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        new.writestr("config.json", config)
        for name in ("metadata.json", "model.weights.h5"):
            new.writestr(name, old.read(name))


def _cleaned(
    entry: dict[str, Any], built: BuiltModel, functions: dict[str, Callable]
) -> dict[str, Any]:
    """A model's entry without anything but plain values; adds the functions of its Lambdas."""
    config = entry["config"]
    parts = {name: part for name, _, part in built.parts}
    config = {"layers": config} if isinstance(config, list) else config
    made = {
        key: _plain(value) for key, value in config.items() if key not in ("layers", "dtype")
    } | {"layers": [_cleaned_layer(inner, parts, functions) for inner in config["layers"]]}
    return {key: entry[key] for key in _ENTRY if key in entry} | {"config": made}


def _cleaned_layer(
    entry: dict[str, Any], parts: dict[str, Any], functions: dict[str, Callable]
) -> dict[str, Any]:
    config = entry.get("config") or {}
    part = parts.get(str(entry.get("name") or config.get("name") or entry["class_name"]))
    nodes = {"inbound_nodes": _plain(entry["inbound_nodes"])} if "inbound_nodes" in entry else {}
    if entry["class_name"] in MODELS:
        return _cleaned(entry, part, functions) | nodes
    made = {key: entry[key] for key in _ENTRY if key in entry} | nodes
    if isinstance(entry.get("build_config"), dict):
        made["build_config"] = _plain(entry["build_config"])
    if entry["class_name"] == "Lambda":
        name = f"{_LAMBDA}{len(functions)}"
        functions[name] = part.function
        kept = {key: value for key, value in config.items() if key in ("name", "trainable")}
        if "module" in made:
            made |= {"module": None, "registered_name": name}
        return made | {"class_name": name, "config": kept}
    made["config"] = {
        key: _value(key, value) for key, value in config.items() if not key.endswith(_TRAINING)
    }
    return made


def _value(key: str, value: Any) -> Any:
    if isinstance(value, dict) and key == "dtype":
        value = (value.get("config") or {}).get("name")
        if value not in _POLICIES:
            raise _NotPlain(f"the policy {str(value)[:40]}")
    if isinstance(value, dict) and key == "activation" and isinstance(value.get("config"), str):
        return value["config"]
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        kind = value.get("class_name")
        if kind is not None and kind not in _PLAIN_CLASSES:
            raise _NotPlain(f"a {str(kind)[:40]} in its configuration")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
