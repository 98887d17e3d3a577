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
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from sr_models.ground.errors import NetworkError
from sr_models.importing.ends import TOLD_BY_ITSELF, Ends, place_of, shown, with_one_output
from sr_models.importing.frozen_graph import first_line, traced_by_shape
from sr_models.importing.graph_batches import of_batch_one
from sr_models.importing.graph_files import network_of
from sr_models.importing.graph_nodes import GraphNodes, name_of
from sr_models.importing.graph_variables import with_variables
from sr_models.importing.plain_names import plain
from sr_models.importing.source_check import Source

_LARGEST = 2 << 30
_SIGNATURE = "serving_default"
_OBJECTS = {"user_object", "function", "variable", "bare_concrete_function", "constant", None}
_HOOKS = {"_initializer", "_create_resource", "_destroy_resource"}


@dataclass(frozen=True)
class SavedNetwork:
    """A network read from a SavedModel folder.

    Attributes:
        function: Its signature, of one picture tensor.
        input_shape: Shape of its input; the batch is free or 1.
        dtype: Type of its input, e.g. `"float32"`.
        run: What is run for comparison, where that is not the function itself.
        notes: What was taken of it, in sentences.
    """

    function: Callable
    input_shape: tuple[int | None, ...]
    dtype: str
    run: Source | None = None
    notes: tuple[str, ...] = ()


def load_saved_model(folder: str | Path, ends: Ends = TOLD_BY_ITSELF) -> SavedNetwork:
    """Open a SavedModel folder and take its signature.

    Args:
        folder: Holds `saved_model.pb` and `variables`.
        ends: Which signature and which output to take, where there are several.

    Raises:
        NetworkError: No SavedModel, a damaged one, an operator that is not on the list, or a
            signature of several pictures.
    """
    folder = Path(folder)
    model = read_saved_model(folder)
    _require_harmless(model, folder)
    if not model.meta_graphs[0].object_graph_def.nodes:
        return _of_tensorflow_1(model.meta_graphs[0], folder, ends)
    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # Whatever TensorFlow raises for damaged data.
        raise NetworkError(
            f"expected a whole SavedModel, found a damaged one: {folder} ({first_line(error)}); "
            "save the network anew"
        ) from error
    signatures = dict(getattr(loaded, "signatures", {}))
    if not signatures:
        raise _without_signature(folder)
    name = _signature_name(sorted(signatures), ends.signature, folder)
    signature = signatures[name]
    taken = f"took the signature {name} of {shown(sorted(signatures))}"
    _, keywords = signature.structured_input_signature
    if len(keywords) != 1:
        raise _several_inputs(keywords, folder)
    ((picture, spec),) = keywords.items()
    if spec.shape.rank is None:
        raise NetworkError(f"expected an input (N, H, W, C), found one of any shape in {folder}")
    outputs = sorted(signature.structured_outputs)
    shape, dtype = tuple(spec.shape.as_list()), spec.dtype.name

    def function(x):
        function.keep = loaded  # the signature alone does not hold its variables
        return signature(**{picture: x})

    batch = shape[0] if shape else None
    chosen = {"names": outputs, "dtype": spec.dtype}
    upscale, said = with_one_output(function, shape, asked=ends.output, **chosen)
    notes = tuple(filter(None, (taken if len(signatures) > 1 else None, said)))
    if batch in (None, 1):
        return SavedNetwork(upscale, shape, dtype, notes=notes)
    single = _of_batch_one(signature, outputs, batch)
    single, _ = with_one_output(single, (1, *shape[1:]), asked=ends.output, **chosen)
    run = Source(lambda x: upscale(tf.repeat(x, batch, axis=0))[:1], dtype)
    notes = (*notes, f"took one picture of a batch of {batch}")
    return SavedNetwork(single, (None, *shape[1:]), dtype, run, notes)


def _signature_name(names: list[str], asked: str | None, folder: Path) -> str:
    if asked is not None:
        if asked not in names:
            raise NetworkError(
                f"expected --signature to be one of {shown(names)}, found {asked!r} in {folder}"
            )
        return asked
    if _SIGNATURE not in names and len(names) > 1:
        raise NetworkError(
            f"expected the signature {_SIGNATURE}, found {shown(names)}; say which upscales with "
            "--signature NAME"
        )
    return _SIGNATURE if _SIGNATURE in names else names[0]


def _of_batch_one(signature, outputs: list[str], batch: int) -> Callable:
    """A signature for a fixed batch as a function of one picture; nothing of it is run."""
    frozen = convert_variables_to_constants_v2(signature)
    nodes = frozen.graph.as_graph_def()
    of_batch_one(nodes, batch)
    (picture,) = (tensor.name for tensor in frozen.inputs if tensor.dtype != tf.resource)
    ends = [tensor.name for tensor in frozen.outputs]

    def upscale(x):
        found = tf.import_graph_def(nodes, input_map={picture: x}, return_elements=ends, name="")
        return dict(zip(outputs, found))

    return traced_by_shape(upscale)


def _of_tensorflow_1(meta, folder: Path, ends: Ends) -> SavedNetwork:
    """A folder that TensorFlow 1 wrote: a graph, and a checkpoint of its variables, both data."""
    signatures = {n: s for n, s in meta.signature_def.items() if s.inputs and s.outputs}
    if not signatures:
        raise _without_signature(folder)
    name = _signature_name(sorted(signatures), ends.signature, folder)
    inputs = {n: value.name for n, value in sorted(signatures[name].inputs.items())}
    outputs = {n: value.name for n, value in sorted(signatures[name].outputs.items())}
    if ends.output is not None:
        names = list(outputs)
        asked = names[place_of(ends.output, names, what="output")]
        outputs = {asked: outputs[asked]}
    if len(inputs) != 1:
        raise _several_inputs(inputs, folder)
    (source,) = inputs.values()
    graph = GraphNodes(with_variables(meta.graph_def, folder), folder / "saved_model.pb")
    if missing := [n for n in (source, *outputs.values()) if name_of(n) not in graph.nodes]:
        raise NetworkError(
            f"expected a whole SavedModel, found no tensor {plain(missing[0])} in {folder}; save "
            "the network anew"
        )
    found = network_of(graph, name_of(source), outputs)
    return SavedNetwork(found.function, found.input_shape, found.dtype, notes=found.notes)


def _without_signature(folder: Path) -> NetworkError:
    return NetworkError(
        f"expected a SavedModel with a signature, found none in {folder}; save it with "
        "model.export, or tf.saved_model.save with signatures"
    )


def _several_inputs(names, folder: Path) -> NetworkError:
    return NetworkError(
        f"expected one input, found {len(names)} in {folder}: {shown(sorted(names))}; "
        "give a network that takes one picture"
    )


def read_saved_model(folder: Path) -> saved_model_pb2.SavedModel:
    """The message of a folder, of which nothing is believed yet.

    Raises:
        NetworkError: No SavedModel, or a damaged one.
    """
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
    if nodes and any(key.endswith("init_op") for key in meta.collection_def):
        strange.add("code to be run on opening")
    if meta.asset_file_def:
        strange.add("other files")
    if strange:
        raise NetworkError(
            f"expected nothing but variables and functions in a SavedModel, found "
            f"{', '.join(sorted(strange))} in {folder}; build the network in Python and give "
            "module:function where you trust it"
        )
