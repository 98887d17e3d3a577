"""Which input and which outputs of a TFLite file may be the pictures."""

from __future__ import annotations

from pathlib import Path

from sr_models.ground.errors import NetworkError
from sr_models.importing.ends import place_of, shown
from sr_models.importing.plain_names import plain
from sr_models.importing.tflite_graph import needed_inputs
from sr_models.tflite.unpacked import UnpackedModel


def ends_of_file(
    model: UnpackedModel,
    path: Path,
    *,
    input: str | int | None = None,
    output: str | int | None = None,
) -> tuple[int, list[int]]:
    """The tensor of the input that takes the picture, and those of outputs that depend on no other.

    Args:
        model: The file.
        path: Of the file, for messages.
        input: What the user says of the input: a name or a number.
        output: The same of the output.

    Raises:
        NetworkError: No such input or output, none at all, or outputs that need several inputs.
    """
    graph = model.graph
    if not graph.inputs or not graph.outputs:
        raise NetworkError(
            f"expected one input and an output, found {len(graph.inputs)} ({input_names(model)}) "
            f"and {len(graph.outputs)} in {path}; give a network that takes one picture"
        )
    outputs = list(graph.outputs)
    if output is not None:
        names = [called(model, tensor) for tensor in outputs]
        outputs = [outputs[place_of(str(output), names, what="output")]]
    if len(graph.inputs) == 1 and input is None:
        return graph.inputs[0], outputs
    needed = {tensor: needed_inputs(model, tensor) for tensor in outputs}
    if input is not None:
        source = _asked_input(model, str(input))
    else:
        alone = dict.fromkeys(inputs[0] for inputs in needed.values() if len(inputs) == 1)
        if len(alone) > 1:
            raise NetworkError(
                f"expected one input and an output, found {len(graph.inputs)} "
                f"({input_names(model)}) and {len(outputs)} in {path}; say which with --input NAME"
            )
        source = next(iter(alone), graph.inputs[0])
    kept = [tensor for tensor in outputs if needed[tensor] == [source]]
    if not kept:
        raise NetworkError(
            f"expected one input and an output, found {len(graph.inputs)} ({input_names(model)}), "
            f"and no output that needs {tensor_name(model, source)} alone, in {path}; give a "
            "network that takes one picture"
        )
    return source, kept


def _asked_input(model: UnpackedModel, asked: str) -> int:
    """An input by its tensor's name, its name in the signature, or its number."""
    inputs = model.graph.inputs
    signed = [called(model, tensor) for tensor in inputs]
    names = [tensor_name(model, tensor) for tensor in inputs]
    known = signed if asked in signed and asked not in names else names
    return inputs[place_of(asked, known, what="input")]


def input_names(model: UnpackedModel) -> str:
    """What all inputs are called, for a message."""
    return shown([tensor_name(model, tensor) for tensor in model.graph.inputs])


def called(model: UnpackedModel, tensor: int) -> str:
    """What users call an output: by the file's signature, or by its tensor."""
    for signature in model.tables.signatureDefs or ():
        for entry in (*(signature.inputs or ()), *(signature.outputs or ())):
            if (signature.subgraphIndex, entry.tensorIndex) == (0, tensor) and entry.name:
                return plain(entry.name.decode(errors="replace"))
    return tensor_name(model, tensor)


def tensor_name(model: UnpackedModel, tensor: int) -> str:
    """What a tensor is called, without what converters join to it."""
    return plain(model.graph.tensors[tensor].name.split(";")[0])
