"""Keras files: tf-keras `.h5` and `.keras`, and `.keras` of Keras 3, read without Keras' loader.

Keras' own loader imports whatever a file names and, for `.h5`, runs the bytecode of Lambda layers.
Here the configuration is read as data (`keras_configuration`), and weights are copied by name.
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf

from sr_models.ground.errors import NetworkError
from sr_models.importing.ends import of_outputs, picture_place, took_output
from sr_models.importing.keras_configuration import BuiltModel, build_model
from sr_models.importing.keras_reference import keras_source
from sr_models.importing.source_check import Source

_LARGEST = 2 << 30
_LARGEST_TEXT = 64 << 20


@dataclass(frozen=True)
class KerasNetwork:
    """A network read from a Keras file.

    Attributes:
        function: The network, of one picture tensor.
        input_shape: Shape of its input.
        version: What wrote the file, e.g. `"Keras 3.4.1"`.
        source: The file as Keras itself loads it, where it does.
        outputs: What its outputs are called.
        notes: Which of several outputs was taken, as a sentence.
    """

    function: Callable
    input_shape: tuple[int | None, ...]
    version: str
    source: Source = Source()
    outputs: tuple[str, ...] = ("output",)
    notes: tuple[str, ...] = ()


def load_keras_file(
    path: str | Path, *, trust: bool = False, output: str | None = None
) -> KerasNetwork:
    """Read a Keras file and give the network its weights.

    Args:
        path: `.keras` (a zip archive) or `.h5`; told apart by content.
        trust: Whether Lambda layers that we do not know may run their code.
        output: Name or number of the output that is the upscaled picture, where there are several.

    Raises:
        NetworkError: No such file, a damaged one, a network that cannot be built, or one of whose
            outputs none or several may be the picture.
    """
    path = Path(path)
    with _readable(path):
        path.stat()
        if zipfile.is_zipfile(path):
            return _with_one_output(_load_archive(path, trust=trust), output)
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                return _with_one_output(_load_hdf5(file, path, trust=trust), output)
    raise _other(path)


def require_keras_file(path: Path) -> None:
    """Raise `NetworkError` for a file that is no container of Keras'."""
    with _readable(path):
        if not (zipfile.is_zipfile(path) or h5py.is_hdf5(path)):
            raise _other(path)


def _other(path: Path) -> NetworkError:
    return NetworkError(
        f"expected a Keras file (.keras or .h5), found another or damaged file: {path}; save the "
        "network anew"
    )


def _with_one_output(network: KerasNetwork, asked: str | None) -> KerasNetwork:
    names = network.outputs
    place = picture_place(network.function, network.input_shape, names=names, asked=asked)
    if place is None or len(names) == 1:
        return network
    return replace(
        network,
        function=of_outputs(network.function, names, place),
        source=network.source.of_output(names, place),
        notes=(took_output(names[place], names),),
    )


@contextmanager
def _readable(path: Path):
    try:
        yield
    except NetworkError:
        raise
    except FileNotFoundError:
        raise NetworkError(f"expected a Keras file, found no file {path}; check the path") from None
    except Exception as error:  # Of damaged data HDF5, zip and JSON raise whatever they come upon.
        reason = (str(error).strip().splitlines() or [""])[0][:120] or type(error).__name__
        raise NetworkError(
            f"expected a whole Keras file, found a damaged or another one: {path} ({reason}); save "
            "the network anew"
        ) from error


def _load_archive(path: Path, *, trust: bool) -> KerasNetwork:
    with zipfile.ZipFile(path) as archive:
        config = json.loads(_member(archive, "config.json", path, limit=_LARGEST_TEXT))
        metadata = json.loads(_member(archive, "metadata.json", path, limit=_LARGEST_TEXT))
        weights = _member(archive, "model.weights.h5", path, limit=_LARGEST)
    version = str(metadata.get("keras_version"))
    main = 3 if version.startswith("3") else 2
    built = build_model(config, version=main, trust=trust)
    _make_weights(built)
    # A real file, for HDF5 handles damage in one better than in a file of Python's.
    with tempfile.NamedTemporaryFile(suffix=".h5") as written:
        written.write(weights)
        written.flush()
        with h5py.File(written.name, "r") as file:
            _take_from_containers(built, file)
    source = keras_source(path, config, built, version=main)
    return _network(built, version, source)


def _network(built: BuiltModel, version: str, source: Source) -> KerasNetwork:
    return KerasNetwork(built.call, built.input_shape, f"Keras {version}", source, built.outputs)


def _member(archive: zipfile.ZipFile, name: str, path: Path, *, limit: int) -> bytes:
    if name not in archive.namelist():
        raise NetworkError(
            f"expected a Keras archive, found a zip file without {name}: {path}; save the network "
            "with model.save"
        )
    if archive.getinfo(name).file_size > limit:
        raise NetworkError(f"expected at most {limit >> 20} MiB in {name}, found more in {path}")
    return archive.read(name)


def _load_hdf5(file: h5py.File, path: Path, *, trust: bool) -> KerasNetwork:
    config = file.attrs.get("model_config")
    if config is None:
        raise NetworkError(
            f"expected a whole network, found weights without their layers in {path}; save it with "
            "model.save, or give module:function and load the weights there"
        )
    version = str(_text(file.attrs.get("keras_version", "2")))
    main, config = 3 if version.startswith("3") else 2, json.loads(_text(config))
    built = build_model(config, version=main, trust=trust)
    _make_weights(built)
    groups = file["model_weights"]
    for name, _, part in built.parts:
        if part is not None and _layers(part):
            _take_from_group(part, name, groups[name])
    source = keras_source(path, config, built, version=main)
    return _network(built, version, source)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _make_weights(built: BuiltModel) -> None:
    """Call the network once, symbolically, so that its layers make their variables."""
    shape = built.input_shape
    if len(shape) != 4 or shape[3] is None:
        return  # `adopt` says what is wrong
    tf.function(built.call, autograph=False).get_concrete_function(
        tf.TensorSpec([1, *(size or 32 for size in shape[1:3]), shape[3]], tf.float32)
    )


def _layers(part: Any) -> list[tuple[str, Any]]:
    """The layers with weights inside of a part, in the file's order."""
    if isinstance(part, BuiltModel):
        return [
            pair
            for name, _, inner in part.parts
            if inner is not None
            for pair in ([(name, inner)] if not isinstance(inner, BuiltModel) else _layers(inner))
            if pair[1].weights
        ]
    return [(part.name, part)] if part.weights else []


def _take_from_group(part: Any, name: str, group: h5py.Group) -> None:
    """Weights of one part of an `.h5` file, whose names are in the group's attribute."""
    arrays = {_text(n): np.asarray(group[_text(n)]) for n in group.attrs["weight_names"]}
    for layer_name, layer in _layers(part):
        wanted = [variable.name.rsplit("/", 1)[-1] for variable in layer.weights]
        found = [arrays.get(f"{layer_name}/{variable}") for variable in wanted]
        if any(array is None for array in found):
            # Saved under a scope of another name: by the variables' own names, or by their order.
            ends = {n.rsplit("/", 1)[-1]: a for n, a in arrays.items()}
            alone = len(_layers(part)) == 1
            found = [ends.get(variable) for variable in wanted] if alone else found
            if alone and any(array is None for array in found):
                found = list(arrays.values())
        _set(layer, layer_name, found)


def _take_from_containers(built: BuiltModel, group: Mapping[str, Any]) -> None:
    """Weights of a `.keras` archive: `layers/conv2d_1/vars/0`, counted by class in their order."""
    used: dict[str, int] = {}
    for name, kind, part in built.parts:
        plain = _snake_case({"Model": "Functional"}.get(kind, kind).split(">")[-1])
        number = used.get(plain, 0)
        used[plain] = number + 1
        place = f"layers/{plain}_{number}" if number else f"layers/{plain}"
        if isinstance(part, BuiltModel):
            if _layers(part):
                _take_from_containers(part, group[place])
        elif part is not None and part.weights:
            found = group[f"{place}/vars"]
            _set(part, name, [np.asarray(found[str(i)]) for i in range(len(found))])


def _snake_case(name: str) -> str:
    """Keras' name of a class in a file: `Conv2DTranspose` -> `conv2d_transpose`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _set(layer, name: str, arrays: list[np.ndarray | None]) -> None:
    wanted = [tuple(variable.shape) for variable in layer.weights]
    found = [None if array is None else array.shape for array in arrays]
    if wanted != found:
        raise NetworkError(
            f"expected weights of shapes {wanted} for layer {name}, found {found}; the file is "
            "damaged: save the network anew"
        )
    layer.set_weights(arrays)
    if hasattr(layer, "finalize_state"):
        layer.finalize_state()  # of a Normalization, which computes with copies
