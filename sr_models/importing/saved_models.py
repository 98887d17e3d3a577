"""SavedModel folders, with or without Keras: looked over as data before TensorFlow opens them.

A SavedModel is a program: opening one runs the functions that create, initialize and restore its
objects, and an operator may read or write files. So of the objects only variables and functions are
allowed, and none with functions of its own for that. The signature is not run either: it is frozen,
and `reading` must know every operator in it first. Keras' own part of the folder, where a Lambda's
bytecode would be, is never read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from sr_models.ground.errors import NetworkError
from sr_models.importing.frozen_graph import first_line

_LARGEST = 2 << 30
_SIGNATURE = "serving_default"
_OBJECTS = {"user_object", "function", "variable", "bare_concrete_function", "constant", None}
_HOOKS = {"_initializer", "_create_resource", "_destroy_resource"}


@dataclass(frozen=True)
class SavedNetwork:
    """A network read from a SavedModel folder.

    Attributes:
        function: Its signature, of one picture tensor.
        input_shape: Shape of its input.
        dtype: Type of its input, e.g. `"float32"`.
    """

    function: Callable
    input_shape: tuple[int | None, ...]
    dtype: str


def load_saved_model(folder: str | Path) -> SavedNetwork:
    """Open a SavedModel folder and take its signature.

    Raises:
        NetworkError: No SavedModel, a damaged one, an operator that is not on the list, or a
            signature of several pictures.
    """
    folder = Path(folder)
    _require_harmless(_read(folder), folder)
    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # Whatever TensorFlow raises for damaged data.
        raise NetworkError(
            f"expected a whole SavedModel, found a damaged one: {folder} ({first_line(error)}); "
            "save the network anew"
        ) from error
    signatures = dict(getattr(loaded, "signatures", {}))
    if not signatures:
        raise NetworkError(
            f"expected a SavedModel with a signature, found none in {folder}; save it with "
            "model.export, or tf.saved_model.save with signatures"
        )
    if _SIGNATURE not in signatures and len(signatures) > 1:
        raise NetworkError(
            f"expected the signature {_SIGNATURE}, found {', '.join(sorted(signatures))}; save the "
            "one that upscales under that name"
        )
    signature = signatures.get(_SIGNATURE, next(iter(signatures.values())))
    _, keywords = signature.structured_input_signature
    if len(keywords) != 1:
        raise NetworkError(
            f"expected one input, found {len(keywords)} in {folder}; give a network that takes one "
            "picture"
        )
    ((name, spec),) = keywords.items()
    if spec.shape.rank is None:
        raise NetworkError(f"expected an input (N, H, W, C), found one of any shape in {folder}")

    def function(x):
        function.keep = loaded  # the signature alone does not hold its variables
        return signature(**{name: x})

    return SavedNetwork(function, tuple(spec.shape.as_list()), spec.dtype.name)


def _read(folder: Path) -> saved_model_pb2.SavedModel:
    path = folder / "saved_model.pb"
    if not path.is_file():
        text = folder / "saved_model.pbtxt"
        found = "one in text form" if text.is_file() else "no saved_model.pb"
        raise NetworkError(
            f"expected a SavedModel folder, found {found} in {folder}; give a folder that "
            "model.export or tf.saved_model.save wrote, or a .keras or .h5 file"
        )
    if path.stat().st_size > _LARGEST:
        raise NetworkError(f"expected at most {_LARGEST >> 20} MiB in {path}, found more")
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(path.read_bytes())
    except (DecodeError, OSError) as error:
        raise NetworkError(
            f"expected a whole SavedModel, found a damaged one: {path}; save the network anew"
        ) from error
    if len(model.meta_graphs) != 1:
        raise NetworkError(
            f"expected one graph in a SavedModel, found {len(model.meta_graphs)} in {path}; save "
            "the network anew"
        )
    return model


def _require_harmless(model: saved_model_pb2.SavedModel, folder: Path) -> None:
    """Raise `NetworkError` for anything that TensorFlow would run on opening the folder."""
    meta = model.meta_graphs[0]
    nodes = meta.object_graph_def.nodes
    strange = {kind for node in nodes if (kind := node.WhichOneof("kind")) not in _OBJECTS}
    strange |= {child.local_name for node in nodes for child in node.children} & _HOOKS
    if any(node.saveable_objects or node.registered_saver for node in nodes):
        strange.add("functions that save and restore")
    if meta.asset_file_def or any(key.endswith("init_op") for key in meta.collection_def):
        strange.add("code to be run on opening")
    if not nodes:
        strange.add("a graph of TensorFlow 1")
    if strange:
        raise NetworkError(
            f"expected nothing but variables and functions in a SavedModel, found "
            f"{', '.join(sorted(strange))} in {folder}; build the network in Python and give "
            "module:function where you trust it"
        )
