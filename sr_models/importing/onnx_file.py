"""An ONNX file, opened as data and looked over before anything of it is computed.

Weights may lie inside or in files beside it. What is run, for comparison, is the part that was
read: every node in it is known by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from google.protobuf.message import DecodeError
from onnx import TensorProto

from sr_models.ground.errors import NetworkError
from sr_models.importing.ends import place_of
from sr_models.importing.foreign_graph import (
    CannotRunError,
    ForeignGraph,
    ForeignNetwork,
    is_same_network,
)
from sr_models.importing.frozen_graph import first_line
from sr_models.importing.onnx_graph import Reading, needed_nodes, read_onnx
from sr_models.importing.onnx_grids import without_pairs
from sr_models.importing.onnx_outputs import keep_output, named, upscaled_output
from sr_models.importing.onnx_tensors import LARGEST, plain, take_external, tensors_of, widen
from sr_models.importing.protobuf_wire import require_moderate

OPSETS = (9, 24)
MOST_NODES = 20_000
_MOST_SLOW_PIXELS = 128 * 128
"""Of a picture for the reference in Python, which takes seconds for it."""
_PICTURES = {TensorProto.FLOAT: "float32", TensorProto.UINT8: "uint8"}


@dataclass(frozen=True)
class OnnxFile(ForeignNetwork):
    """A network read from an ONNX file.

    Attributes:
        model: The file's message, with its weights inside and in float32.
        input_shape: Shape of its input as (N, H, W, C), `None` for sizes that are free.
        dtype: Type of its input.
        layout: Order of the input's axes in the file, `"NCHW"` or `"NHWC"`.
        producer: What wrote it, e.g. `"ONNX, pytorch 2.4.0"`.
        step: Relative error of the half precision that it asks for, or 0.
        files: The file, and those beside it that hold its weights.
        batch: How many pictures it takes at once; copies of one, where that is more than one.
        notes: What was taken of it, in sentences.
    """

    model: Any
    input_shape: tuple[int | None, ...]
    dtype: str
    layout: str
    producer: str
    step: float
    files: tuple[Path, ...]
    batch: int = 1
    notes: tuple[str, ...] = ()

    def at(self, shape: Sequence[int]) -> ForeignGraph:
        """See `ForeignNetwork`."""
        _, height, width, channels = shape
        read = self._read(channels, height, width)
        if self.input_shape[1:3] == (None, None):
            self._require_same_at(channels, 2 * height, 2 * width, read=read)
        channels, height, width = read.size
        return ForeignGraph(
            read.network,
            tf.TensorSpec(shape, self.dtype),
            tf.TensorSpec((1, height, width, channels), tf.float32),
            self.step,
            rounds=any(operation.kind == "grid" for operation in read.network),
        )

    def _require_same_at(self, *size: int, read: Reading) -> None:
        """Raise `NetworkError` for a file that is another network at another size, or none."""
        expected = (
            "expected sizes that follow the picture's, found some that were fixed when the file "
            "was written though its input is free"
        )
        cure = "write them as factors or -1, or export the network for one size"
        try:
            larger = self._read(*size)
        except NetworkError as error:
            raise NetworkError(f"{expected}; {cure} ({error})") from error
        if not is_same_network(read.network, larger.network):
            raise NetworkError(f"{expected}; {cure}")

    def _read(self, *size: int) -> Reading:
        name = self.model.graph.input[0].name
        return read_onnx(self.model, tensor=name, size=size, layout=self.layout)

    def __call__(self, batch) -> np.ndarray:
        """See `ForeignNetwork`; picture after picture, for a file may be of a batch of one."""
        pictures = np.asarray(batch, self.dtype)
        return np.concatenate([self._answer(picture[None]) for picture in pictures])

    def _answer(self, picture: np.ndarray) -> np.ndarray:
        _, height, width, channels = picture.shape
        try:
            layout = self._read(channels, height, width).layout  # Nothing unknown is run.
        except NetworkError as error:
            raise CannotRunError(f"it does not take {height}x{width} pixels ({error})") from error
        if self.layout == "NCHW":
            picture = picture.transpose(0, 3, 1, 2)
        picture = np.repeat(picture, self.batch, axis=0)
        if not self.is_run_fast and height * width > _MOST_SLOW_PIXELS:
            raise CannotRunError(
                f"onnxruntime is not installed, and without it pictures of {height}x{width} take "
                'too long; install it with: pip install "clip-free-sr[onnx]"'
            )
        try:
            (answer,) = self._run({self.model.graph.input[0].name: picture})
        except Exception as error:  # Whatever a runtime raises.
            raise CannotRunError(f"{self.runtime} does not run it ({first_line(error)})") from error
        answer = np.asarray(answer, np.float32)[:1]
        return answer.transpose(0, 2, 3, 1) if layout == "NCHW" else answer

    @property
    def is_run_fast(self) -> bool:
        """Whether onnxruntime is installed."""
        return find_spec("onnxruntime") is not None

    @property
    def runtime(self) -> str:
        """What runs the file, e.g. `"onnxruntime 1.32.0"`."""
        if self.is_run_fast:
            import onnxruntime

            return f"onnxruntime {onnxruntime.__version__}"
        return f"onnx.reference {onnx.__version__}"

    @cached_property
    def _run(self):
        """The nodes that were read, as a function of feeds that returns the outputs.

        Without the rounding of tensors to grids, beside which no float network would be equal.
        """
        known = onnx.ModelProto()
        known.CopyFrom(self.model)
        graph = self.model.graph
        nodes = without_pairs(needed_nodes(graph), {graph.input[0].name})
        del known.graph.node[:]
        known.graph.node.extend(nodes)
        del known.graph.value_info[:]
        if not self.is_run_fast:
            from onnx.reference import ReferenceEvaluator

            evaluator = ReferenceEvaluator(known)
            return lambda feeds: evaluator.run(None, feeds)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            known.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return lambda feeds: session.run(None, feeds)


def load_onnx_file(path: str | Path, *, output: str | None = None) -> OnnxFile:
    """Open an ONNX file.

    Args:
        path: Of opset 9 to 24, with weights of float32 or float16 inside or in files beside it.
        output: Name or number of the output that is the upscaled picture, where there are several.

    Raises:
        NetworkError: No such file, a damaged or a hostile one, or one of several pictures.
    """
    path = Path(path)
    model = parse_onnx(path)
    _require_opset(model)
    graph = model.graph
    if len(graph.node) > MOST_NODES:
        raise NetworkError(
            f"expected at most {MOST_NODES} nodes, found {len(graph.node)} in {path}; give a "
            "super-resolution network"
        )
    others = {"sparse weights": graph.sparse_initializer, "functions": model.functions}
    if found := [what for what, messages in others.items() if len(messages)]:
        raise NetworkError(
            f"expected nodes and weights alone, found {found[0]} in {path}; export the network "
            "with dense weights and its functions inlined"
        )
    given = {weights.name for weights in graph.initializer}
    outputs = list(graph.output)
    if output is not None:
        names = [value.name for value in outputs]
        keep_output(graph, outputs[place_of(output, names, what="output")])
    read = {name for node in needed_nodes(graph) for name in node.input} if outputs else set()
    inputs = [value for value in graph.input if value.name not in given]
    inputs = [value for value in inputs if value.name in read or len(inputs) == 1]
    for ends, what, cure in (
        (inputs, "input", "takes one picture"),
        (outputs[:1], "output", "returns one picture"),
    ):
        if len(ends) != 1:
            names = ", ".join(plain(value.name) for value in ends[:4])
            raise NetworkError(
                f"expected one {what}, found {len(ends)} ({names or 'none'}) in {path}; give a "
                f"network that {cure}"
            )
    files = (path, *take_external(model, path.parent))
    step = widen(model)
    if len(graph.input) > 1:  # Old files list weights among the inputs.
        picture = onnx.ValueInfoProto()
        picture.CopyFrom(inputs[0])
        del graph.input[:]
        graph.input.append(picture)
    shape, layout, dtype = _ends_of(graph.input[0], path)
    batch = shape[0] or 1
    notes = [f"took one picture of a batch of {batch}"] if batch > 1 else []
    shape = (None, *shape[1:])
    file = OnnxFile(model, shape, dtype, layout, producer_of(model), step, files, batch)
    if outputs[1:]:
        kept = upscaled_output(file, outputs) if output is None else graph.output[0].name
        notes.append(f"took the output {plain(kept)} of {named(outputs)}")
    return replace(file, notes=tuple(notes))


def producer_of(model: onnx.ModelProto) -> str:
    """What wrote a file, e.g. `"ONNX, pytorch_2.4.0"`."""
    producer = " ".join(filter(None, (model.producer_name, model.producer_version)))
    return f"ONNX, {plain(producer)}" if producer else "ONNX"


def parse_onnx(path: Path) -> onnx.ModelProto:
    """The message of a file, of which nothing is believed yet.

    Raises:
        NetworkError: No such file, a damaged or a huge one.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise NetworkError(
                f"expected at most {LARGEST >> 20} MiB in an ONNX file, found more: {path}"
            )
        content = path.read_bytes()
    except OSError as error:
        raise NetworkError(
            f"expected an ONNX file, found none that can be read: {path} ({error.strerror}); check "
            "the path"
        ) from error
    require_moderate(content, str(path))
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except (DecodeError, RecursionError) as error:
        raise _damaged(path) from error
    whole = model.HasField("graph") and len(model.graph.node)
    if not whole or not all(isinstance(text, str) for text in _texts(model)):
        raise _damaged(path)
    return model


def _texts(model: onnx.ModelProto) -> Iterator[str | bytes]:
    """Every text that is used; protobuf gives bytes for one that is damaged."""
    graph = model.graph
    yield from (model.producer_name, model.producer_version)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    for value in (*graph.input, *graph.output, *tensors_of(model)):
        yield value.name
    for tensor in tensors_of(model):
        for entry in tensor.external_data:
            yield from (entry.key, entry.value)


def _damaged(path: Path) -> NetworkError:
    return NetworkError(
        f"expected a whole ONNX file, found a damaged or another one: {path}; export the network "
        "anew"
    )


def _require_opset(model: onnx.ModelProto) -> None:
    versions = [e.version for e in model.opset_import if e.domain in ("", "ai.onnx")]
    low, high = OPSETS
    if len(versions) != 1 or not low <= versions[0] <= high:
        found = ", ".join(map(str, versions[:4])) or "none"
        raise NetworkError(
            f"expected ONNX opset {low} to {high}, found {found}; export the network with "
            "opset_version=17"
        )


def _ends_of(value: onnx.ValueInfoProto, path: Path):
    """The input's shape as NHWC, its layout, and its type."""
    tensor = value.type.tensor_type
    if tensor.elem_type not in _PICTURES:
        raise NetworkError(
            f"expected an input of float32, float16 or uint8, found another type in {path}; export "
            "the network with a picture as its input"
        )
    dims = [
        None if d.HasField("dim_param") or not d.HasField("dim_value") else d.dim_value
        for d in tensor.shape.dim
    ]
    if len(dims) != 4 or any(n is not None and n < 1 for n in dims):
        raise NetworkError(
            f"expected an input (N, C, H, W), found {dims[:8]} in {path}; export the network for "
            "one picture"
        )
    layout = "NHWC" if dims[1] not in (1, 3) and dims[3] in (1, 3) else "NCHW"
    sizes = dict(zip(layout, dims))
    if sizes["C"] is None:
        raise NetworkError(
            f"expected an input of 3 colours or 1 luma channel, found {dims} in {path}; export "
            "the network with a fixed number of channels"
        )
    return tuple(sizes[n] for n in "NHWC"), layout, _PICTURES[tensor.elem_type]
