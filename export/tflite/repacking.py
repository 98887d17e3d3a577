"""Changed tables written as a file again, with everything else that the old file held."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from export.stripping.surgery import pack_model
from export.stripping.verification import verify_flatbuffer
from export.tflite.appended import Unmovable, append_archive, appended_to
from export.tflite.structure import differences
from export.tflite.unpacked import UnpackedModel, unpack
from sr_models.errors import ModelFileError

# Records places of operators, which move when one of them goes.
_PLACE_RECORDS = (b"model_control_dependencies",)


def require_repackable(model: UnpackedModel) -> None:
    """Raise `ModelFileError` where a file holds what could not be written again as it was."""
    tables, verified = model.tables, verify_flatbuffer(model.file.data)
    if verified.newer:
        raise _cannot(model, f"{verified.newer[0]} is of a newer schema than the installed one")
    if any(buffer.offset > 1 or buffer.size > 1 for buffer in tables.buffers or ()):
        raise _cannot(model, "constants are kept outside of its tables")
    operators = [op for sub in tables.subgraphs for op in sub.operators or ()]
    if any(op.largeCustomOptionsOffset > 1 for op in operators) or tables.externalBuffers:
        raise _cannot(model, "constants or options are kept outside of its tables")
    for entry in tables.metadata or ():
        if entry.name in _PLACE_RECORDS:
            raise _cannot(model, f"metadata {entry.name.decode()} counts operators by place")
    known = {*model.graph.inputs, *model.graph.outputs}
    for signature in tables.signatureDefs or ():
        maps = [*(signature.inputs or ()), *(signature.outputs or ())]
        if signature.subgraphIndex == 0 and {entry.tensorIndex for entry in maps} - known:
            raise _cannot(model, "a signature names tensors inside of the network")
    _archive(model, end=verified.end)


def repack(model: UnpackedModel, tables: schema.ModelT) -> bytes:
    """The content of a file with other tables; an archive behind the old ones comes along.

    Args:
        model: The old file.
        tables: The new tables.

    Raises:
        ModelFileError: They do not read back as what was written, or the archive cannot be moved.
    """
    content = pack_model(tables)
    if found := differences(tables, unpack(content).tables):
        raise _cannot(model, f"the new one does not read back as it was written ({found[0]})")
    end = verify_flatbuffer(model.file.data).end
    archive = _archive(model, end=end)
    try:
        return append_archive(content, archive, start=len(model.file.data) - len(archive))
    except Unmovable as reason:
        raise _cannot(model, str(reason)) from None


def _archive(model: UnpackedModel, *, end: int) -> bytes:
    try:
        return appended_to(model.file.data, end)
    except Unmovable as reason:
        raise _cannot(model, str(reason)) from None


def _cannot(model: UnpackedModel, why: str) -> ModelFileError:
    return ModelFileError(
        f"expected a file that can be written anew, found {model.file.name}, where {why}; use the "
        "file as it is, or export the network anew"
    )
