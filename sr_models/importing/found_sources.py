"""A network of the user's, opened by the reader of its format."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sr_models.ground.files import file_sha256
from sr_models.ground.pixel_range import Ends
from sr_models.importing.graph_files import load_graph_file
from sr_models.importing.keras_files import load_keras_file
from sr_models.importing.legacy_keras import load_by_legacy_keras
from sr_models.importing.python_functions import (
    LegacyCodeError,
    load_python_network,
    take_keras_model,
)
from sr_models.importing.saved_models import load_saved_model
from sr_models.importing.source_check import Source
from sr_models.importing.source_kinds import kind_of
from sr_models.importing.source_options import NOTHING_SAID, SourceOptions


@dataclass(frozen=True)
class Found:
    """A network of the user's, before it is adopted: what computes it, and what is known of it.

    Attributes:
        name: What to call it.
        kind: What wrote it.
        source: Its file or folder, or `module:function`.
        sha256: Hash of its files.
        function: Takes and returns one picture tensor; or a file of another runtime.
        input_shape: Shape (N, H, W, C) of its input, `None` for what is free.
        dtype: Type of its input.
        run: What it is held against; the function itself by default.
        notes: What was taken of it, in sentences.
        declared: What its metadata says black and white of its input are.
    """

    name: str
    kind: str
    source: str
    sha256: str | None
    function: Callable
    input_shape: tuple[int | None, ...]
    dtype: str = "float32"
    run: Source | None = None
    notes: tuple[str, ...] = ()
    declared: Ends | None = None


def found_source(source: Any, options: SourceOptions = NOTHING_SAID) -> Found:
    """Open a source by the reader of its kind.

    Args:
        source: A path, `module:function`, or a Keras model in memory.
        options: What the user says of it.

    Raises:
        NetworkError: See the readers.
    """
    ends = options.ends
    if not isinstance(source, str):
        made = take_keras_model(source, output=ends.output)
        name, function, shape = made.name, made.function, made.input_shape
        return Found(name, "Python", name, None, function, shape, notes=made.notes)
    kind, place = kind_of(source), Path(source)
    if kind == "python":
        name = source.rpartition(":")[2]
        try:
            made = load_python_network(source, output=ends.output)
        except LegacyCodeError as error:
            saved = load_by_legacy_keras(source, error)
            function, shape = saved.function, saved.input_shape
            return Found(name, "Python, Keras 2", source, None, function, shape, saved.dtype)
        sha256 = made.file and file_sha256(made.file)
        function, shape = made.function, made.input_shape
        return Found(name, "Python", source, sha256, function, shape, notes=made.notes)
    if kind == "graph":
        graph = load_graph_file(source, ends)
        function, shape, sha256 = graph.function, graph.input_shape, file_sha256(source)
        return Found(
            place.stem,
            "frozen graph",
            place.name,
            sha256,
            function,
            shape,
            graph.dtype,
            notes=graph.notes,
        )
    if kind == "saved_model":
        saved = load_saved_model(source, ends)
        function, shape, name = saved.function, saved.input_shape, place.resolve().name
        sha256 = _folder_sha256(place)
        return Found(
            name,
            "SavedModel",
            place.name,
            sha256,
            function,
            shape,
            saved.dtype,
            saved.run,
            saved.notes,
        )
    if kind == "onnx":
        return _found_onnx(place, ends.output)
    if kind == "tflite":
        return _found_tflite(place, options)
    read = load_keras_file(source, trust=options.trust, output=ends.output)
    sha256 = file_sha256(source)
    return Found(
        place.stem,
        read.version,
        place.name,
        sha256,
        read.function,
        read.input_shape,
        run=read.source,
        notes=read.notes,
    )


def _found_onnx(place: Path, output: str | None) -> Found:
    # Its library is loaded for such files alone.
    from sr_models.importing.onnx_file import load_onnx_file

    file = load_onnx_file(place, output=output)
    sha256 = _files_sha256(file.files, place.parent) if file.files[1:] else file_sha256(place)
    run = Source(file, file.dtype, what=f"the source itself, by {file.runtime}")
    return Found(
        place.stem,
        file.producer,
        place.name,
        sha256,
        file,
        file.input_shape,
        file.dtype,
        run,
        file.notes,
    )


def _found_tflite(place: Path, options: SourceOptions) -> Found:
    # Its library is loaded for such files alone.
    from sr_models.importing.tflite_file import load_tflite_file
    from sr_models.tflite.metadata import read_normalization

    ends = options.ends
    file = load_tflite_file(
        place, dequantize=options.dequantize, input=ends.input, output=ends.output
    )
    first = file.input == file.model.graph.inputs[0]
    normalization = read_normalization(file.model.tables) if first else None
    return Found(
        place.stem,
        file.kind,
        place.name,
        file_sha256(place),
        file,
        file.input_shape,
        file.dtype,
        Source(file, file.dtype, what=file.what_is_run, is_lossy=file.is_integer),
        file.notes,
        normalization and normalization.ends,
    )


def _folder_sha256(folder: Path) -> str:
    """Hash over the names and contents of all files of a folder."""
    return _files_sha256([p for p in folder.rglob("*") if p.is_file()], folder)


def _files_sha256(files: Sequence[Path], folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()
