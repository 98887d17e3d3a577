"""A TFLite file opened as a float network: read as data, and run by LiteRT for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
import tensorflow as tf

from sr_models.ground.child import Crash
from sr_models.ground.errors import ModelFileError, NetworkError
from sr_models.importing.ends import output_place, took_output
from sr_models.importing.foreign_graph import (
    CannotRunError,
    ForeignGraph,
    ForeignNetwork,
    is_same_network,
)
from sr_models.importing.onnx_file import MOST_NODES
from sr_models.importing.onnx_graph import Reading, read_onnx
from sr_models.importing.onnx_tensors import HALF, LARGEST, plain
from sr_models.importing.tflite_ends import called, ends_of_file, input_names, tensor_name
from sr_models.importing.tflite_graph import (
    as_onnx,
    is_integer,
    needed_operators,
    operators_in_the_way,
)
from sr_models.importing.tflite_running import run_apart, runtime_name
from sr_models.importing.tflite_values import batch_of, widened
from sr_models.tflite.files import read_model
from sr_models.tflite.unpacked import UnpackedModel, unpack

_INPUTS = ("float32", "float16", "uint8", "int8", "int16")
_OTHER_SIZES = ((96, 96), (48, 144))
"""On which a file that lets itself be resized is read; strides up to 16, and of 3, divide them."""
_LARGEST_SCALE = 8
_DEQUANTIZED = (
    "its integers were taken back to the real numbers that they stand for; what they lost in "
    "rounding stays lost, and the ranges of tensors are found anew"
)


@dataclass(frozen=True)
class TfliteFile(ForeignNetwork):
    """A network read from a TFLite file.

    Attributes:
        model: The file, unpacked.
        input: Index of the input's tensor.
        output: Index of the output's tensor.
        input_shape: Shape of its input as (N, H, W, C), `None` for sizes that are free.
        dtype: Type of its input.
        layout: Order of the input's axes in the file, `"NCHW"` or `"NHWC"`.
        is_integer: Whether it computes on codes, which were taken back to real numbers.
        notes: What is to be said of it, one sentence each.
        batch: How many pictures it takes at once; copies of one, where that is more than one.
    """

    model: UnpackedModel = field(repr=False)
    input: int
    output: int
    input_shape: tuple[int | None, ...]
    dtype: str
    layout: str
    is_integer: bool
    notes: tuple[str, ...] = ()
    batch: int = 1

    @property
    def kind(self) -> str:
        """What it is, e.g. `"TFLite, int8 weights"`."""
        if self.is_integer:
            return "TFLite, integers"
        constants = {t.dtype for t in self.model.graph.tensors if t.constant}
        found = [name for name in ("int4", "int8", "uint8", "float16") if name in constants]
        return f"TFLite, {found[0]} weights" if found else "TFLite"

    def at(self, shape: Sequence[int]) -> ForeignGraph:
        """See `ForeignNetwork`."""
        _, height, width, channels = shape
        read = self.read(height, width)
        computed = (t.dtype for t in self.model.graph.tensors if not t.constant)
        step = HALF if "float16" in computed else 0.0
        answer = (1, *read.size[1:], read.size[0])
        given = tf.TensorSpec((1, height, width, channels), self.dtype)
        return ForeignGraph(read.network, given, tf.TensorSpec(answer, tf.float32), step)

    def read(self, height: int, width: int) -> Reading:
        """The operations for one size of the input; see `onnx_graph.read_onnx`."""
        name, channels = self.nodes.graph.input[0].name, self.input_shape[3]
        return read_onnx(
            self.nodes, tensor=name, size=(channels, height, width), layout=self.layout
        )

    @cached_property
    def nodes(self) -> onnx.ModelProto:
        """What the output depends on, as nodes of ONNX."""
        return as_onnx(self.model, self.output, source=self.input)

    @property
    def runtime(self) -> str:
        """See `ForeignNetwork`."""
        return runtime_name()

    @property
    def what_is_run(self) -> str:
        """What is run for the comparison, in words."""
        beside = "" if self.content is self.model.file.data else ", its weights as float32"
        return f"the source itself, by {self.runtime}{beside}"

    def __call__(self, batch) -> np.ndarray:
        """See `ForeignNetwork`; picture after picture."""
        pictures = np.asarray(batch, np.float32)
        return np.concatenate([self._answer(picture[None]) for picture in pictures])

    def _answer(self, picture: np.ndarray) -> np.ndarray:
        _, height, width, _ = picture.shape
        try:
            layout = self.read(height, width).layout
        except NetworkError as error:
            raise CannotRunError(f"it does not take {height}x{width} pixels ({error})") from error
        if self.layout == "NCHW":
            picture = picture.transpose(0, 3, 1, 2)
        picture = np.repeat(picture, self.batch, axis=0)
        graph = self.model.graph
        ends = {
            "source": graph.inputs.index(self.input),
            "output": graph.outputs.index(self.output),
        }
        try:
            answer = run_apart(self.content, picture, shape=picture.shape, **ends)
        except (Crash, ModelFileError) as error:
            raise CannotRunError(f"LiteRT does not run it ({error})") from error
        return answer[:1].transpose(0, 2, 3, 1) if layout == "NCHW" else answer[:1]

    @cached_property
    def content(self) -> bytes:
        """What is run: the file, its integer weights as the float32 numbers that they stand for."""
        return (None if self.is_integer else widened(self.model)) or self.model.file.data


def load_tflite_file(
    path: str | Path,
    *,
    dequantize: bool = False,
    input: str | int | None = None,
    output: str | int | None = None,
) -> TfliteFile:
    """Open a TFLite file as a float network.

    Args:
        path: Of a file of one picture, with float activations and weights of any kind.
        dequantize: Whether a file of integers may be taken back to real numbers.
        input: Name or number of the input that takes the picture, where there are several.
        output: Name or number of the output that is the upscaled picture, where there are several.

    Raises:
        NetworkError: No such file, a damaged or a hostile one, one of several pictures, one of
            integers that is not to be taken back, or an operator that has no place in an integer
            file.
    """
    path = Path(path)
    model = _unpacked(path)
    graph = model.graph
    if len(graph.operators) > MOST_NODES:
        raise NetworkError(
            f"expected at most {MOST_NODES} operators, found {len(graph.operators)} in {path}; "
            "give a super-resolution network"
        )
    source, outputs = ends_of_file(model, path, input=input, output=output)
    ops = [op for tensor in outputs for op in needed_operators(model, tensor)]
    of_integers = is_integer(model, ops)
    if of_integers and not dequantize:
        raise NetworkError(
            f"expected a float network, found a TFLite file of integers: {path}; take its clip out "
            "with: sr-export strip, fix its ends with strip --repair-io, or give --dequantize, "
            "which does not bring back what its integers have lost"
        )
    if dequantize and not of_integers:
        raise NetworkError(
            f"expected a TFLite file of integers with --dequantize, found a float one: {path}; "
            "leave it out"
        )
    notes = (_DEQUANTIZED,) if of_integers else ()
    if graph.inputs[1:]:
        notes = (*notes, f"took the input {tensor_name(model, source)} of {input_names(model)}")
    batch = batch_of(model, source)
    if batch > 1:
        notes = (*notes, f"took one picture of a batch of {batch}")
    ends = (source, outputs[0])
    file = TfliteFile(model, *ends, *_shape_of(model, source, path), of_integers, notes, batch)
    return _with_its_size(_with_its_output(file, outputs), path)


def unread_operators(path: str | Path) -> tuple[str, ...]:
    """Names of the operators of a file that nothing reads, each once.

    Raises:
        NetworkError: A damaged file, or weights that cannot be used.
    """
    model = _unpacked(Path(path))
    found = (
        op.name for output in model.graph.outputs for op in operators_in_the_way(model, output)
    )
    return tuple(dict.fromkeys(map(plain, found)))


def _unpacked(path: Path) -> UnpackedModel:
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise NetworkError(
                f"expected at most {LARGEST >> 20} MiB in a TFLite file, found more: {path}; give "
                "a super-resolution network"
            )
        return unpack(read_model(path))
    except (ModelFileError, OSError) as error:
        raise NetworkError(str(error)) from error


def _shape_of(model: UnpackedModel, index: int, path: Path):
    """The input's shape as NHWC, its type and its layout."""
    tensor = model.graph.tensors[index]
    signature = model.tables.subgraphs[0].tensors[index].shapeSignature
    dims = [int(n) for n in (tensor.shape if signature is None else signature)]
    if len(dims) != 4 or any(n < 1 and n != -1 for n in dims):
        raise NetworkError(
            f"expected an input (1, H, W, C), found {dims[:8]} in {path}; convert the network for "
            "one picture"
        )
    if tensor.dtype not in _INPUTS:
        raise NetworkError(
            f"expected an input of float32 or uint8, found {plain(tensor.dtype)} in {path}; "
            "convert the network with a picture as its input"
        )
    layout = "NCHW" if dims[1] in (1, 3) and dims[3] not in (1, 3) else "NHWC"
    sizes = {n: None if size == -1 else size for n, size in zip(layout, dims)}
    if sizes["C"] is None:
        raise NetworkError(
            f"expected an input of 3 colours or 1 luma channel, found {dims} in {path}; convert "
            "the network with a fixed number of channels"
        )
    codes = tensor.dtype in ("uint8", "int8") and not tensor.scales
    return (1, *(sizes[n] for n in "HWC")), tensor.dtype if codes else "float32", layout


def _with_its_output(file: TfliteFile, outputs: Sequence[int]) -> TfliteFile:
    """The file with the one of its outputs that is an upscaled picture."""
    names = [called(file.model, output) for output in file.model.graph.outputs]
    if len(outputs) > 1:
        sides = zip(file.input_shape[1:3], _OTHER_SIZES[0])
        low = (1, *(side or other for side, other in sides), file.input_shape[3])
        shapes, errors = [], []
        for output in outputs:
            try:
                channels, height, width = replace(file, output=output).read(*low[1:3]).size
                shapes.append((1, height, width, channels))
            except NetworkError as error:  # It may be no picture, as features are none.
                shapes.append(None)
                errors.append(error)
        if len(errors) == len(shapes):
            raise errors[0]
        place = output_place(
            [called(file.model, output) for output in outputs], shapes, low, asked=None
        )
        file = replace(file, output=outputs[place])
    if len(names) == 1:
        return file
    return replace(file, notes=(*file.notes, took_output(called(file.model, file.output), names)))


def _with_its_size(file: TfliteFile, path: Path) -> TfliteFile:
    """The file with a free size, where it is the same network at any."""
    own = file.input_shape[1:3]
    height, width = (side or other for side, other in zip(own, _OTHER_SIZES[0]))
    reason = ""
    try:
        read = file.read(height, width)
    except NetworkError as error:
        if None not in own or not _is_read_as_written(file):
            raise
        read, reason = None, str(error)
    for size in _OTHER_SIZES if read else ():
        try:
            if not is_same_network(file.read(*size).network, read.network):
                reason = "it is another network there"
        except NetworkError as error:
            reason = str(error)
    if not reason:
        return replace(file, input_shape=(1, None, None, file.input_shape[3]))
    if None in own:
        raise NetworkError(
            f"expected sizes that follow the picture's, found some that were fixed when {path} was "
            f"written though its input is free; convert the network for one size ({reason})"
        )
    note = f"the file holds sizes for {height}x{width} pixels; it was read and run at those alone"
    return replace(file, notes=(*file.notes, note))


def _is_read_as_written(file: TfliteFile) -> bool:
    """Whether a file of free sizes is read at the one that its input had when it was written."""
    shape = file.model.graph.tensors[file.input].shape
    sizes = dict(zip(file.layout, shape))
    try:
        return bool(file.read(sizes["H"], sizes["W"]).size)
    except NetworkError:
        return False
