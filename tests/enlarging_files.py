"""Files that enlarge pictures twice by repeating each pixel, on any range and behind any interface.

What such a file answers is told by hand: the value of each pixel plus `lift`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sr_models.quantization.grids import Grid
from tests.tiny_files import TinyFile

Chain = Sequence[tuple[str, float | None]]


def enlarging_file(
    *,
    low: Grid | str = "float32",
    high: Grid | str = "float32",
    before: Chain = (),
    after: Chain = (),
    inner: Grid | None = None,
    inner_high: Grid | None = None,
    lift: float = 0.0,
    channels: int = 3,
    channels_first: bool = False,
    size: tuple[int, int] = (48, 64),
    scale: int = 2,
    metadata: dict[str, bytes] | None = None,
) -> bytes:
    """One convolution between an interface and another.

    Args:
        low: Grid or type of the input.
        high: Grid or type of the output.
        before: Operators on the input and their constants: `("MUL", 1 / 255)`.
        after: The same behind the network.
        inner: Grid that the convolution reads; real numbers without it.
        inner_high: Grid that it writes, `inner` by default.
        lift: What the convolution adds.
        channels: 3 or 1.
        channels_first: Whether input and output are (N, C, H, W).
        size: Height and width of the input.
        scale: Factor that it enlarges by.
        metadata: Entries beside the tables.
    """
    file = TinyFile()
    height, width = size
    nhwc = (1, height, width, channels)
    outer = (1, channels, height, width) if channels_first else nhwc
    picture = tensor = _tensor(file, "picture", outer, low)
    if channels_first:
        tensor = transposed(file, tensor, (0, 2, 3, 1))
    for name, value in before:
        tensor = _step(file, tensor, name, value)
    if inner is not None and _kind(file, tensor) != inner:
        tensor = _step(file, tensor, "QUANTIZE", None, grid=inner)
    elif inner is None and _kind(file, tensor) != "float32":
        quantized = isinstance(_kind(file, tensor), Grid)
        tensor = _step(file, tensor, "DEQUANTIZE" if quantized else "CAST", None, grid="float32")
    written = inner_high or inner or "float32"
    tensor = _repeated(file, tensor, written, lift=lift, scale=scale)
    tensor = file.depth_to_space(tensor, block=scale) if inner else _shuffled(file, tensor, scale)
    if inner is not None and high != written and (after or not isinstance(high, Grid)):
        tensor = _step(file, tensor, "DEQUANTIZE", None, grid="float32")
    for name, value in after:
        tensor = _step(file, tensor, name, value)
    if high != _kind(file, tensor):
        name = "QUANTIZE" if isinstance(high, Grid) else "CAST"
        tensor = _step(file, tensor, name, None, grid=high)
    if channels_first:
        tensor = transposed(file, tensor, (0, 3, 1, 2))
    for name, content in (metadata or {}).items():
        file.metadata(name, content)
    return file.finished([picture], [tensor])


def _tensor(file: TinyFile, name: str, shape, kind: Grid | str) -> int:
    if isinstance(kind, Grid):
        return file.tensor(name, shape, grid=kind)
    return file.tensor(name, shape, dtype=kind)


def _kind(file: TinyFile, tensor: int) -> Grid | str:
    return file.grid(tensor) if file.graph.tensors[tensor].quantization else file.dtype(tensor)


def _step(
    file: TinyFile, source: int, name: str, value: float | None, *, grid: Grid | str | None = None
) -> int:
    shape = file.graph.tensors[source].shape
    index = len(file.graph.operators)
    inputs = [source]
    if value is not None:
        inputs.append(file.tensor(f"{name}{index}/c", (), dtype="float32", data=value))
    kind = grid or _kind(file, source)
    result = _tensor(file, f"{name}{index}", shape, kind)
    options = {}
    if name == "CAST":
        types = [file.graph.tensors[i].type for i in (source, result)]
        options = {"inDataType": types[0], "outDataType": types[1]}
    file.operator(name, inputs, [result], version=1, **options)
    return result


def _repeated(file: TinyFile, source: int, kind: Grid | str, *, lift: float, scale: int) -> int:
    _, height, width, channels = file.graph.tensors[source].shape
    made = channels * scale**2
    weights = np.zeros((made, 1, 1, channels))
    weights[np.arange(made), 0, 0, np.arange(made) % channels] = 1.0
    if isinstance(kind, Grid):
        grid = Grid("int8", float(np.float32(1 / 127)), 0)
        step = file.grid(source).scale * grid.scale
        kernel = file.tensor("w", weights.shape, grid=grid, data=weights * 127)
        bias = file.tensor("b", (made,), dtype="int32", data=np.full(made, round(lift / step)))
        file.give_grid(bias, step, 0)
    else:
        kernel = file.tensor("w", weights.shape, dtype="float32", data=weights)
        bias = file.tensor("b", (made,), dtype="float32", data=np.full(made, lift))
    result = _tensor(file, "conv", (1, height, width, made), kind)
    version = 3 if isinstance(kind, Grid) else 1
    file.operator(
        "CONV_2D", [source, kernel, bias], [result], version=version, strideW=1, strideH=1
    )
    return result


def _shuffled(file: TinyFile, source: int, scale: int) -> int:
    _, height, width, depth = file.graph.tensors[source].shape
    shape = (1, height * scale, width * scale, depth // scale**2)
    result = file.tensor("d2s", shape, dtype="float32")
    file.operator("DEPTH_TO_SPACE", [source], [result], version=1, blockSize=scale)
    return result


def transposed(file: TinyFile, source: int, order: Sequence[int]) -> int:
    """Add a `TRANSPOSE`."""
    shape = [int(file.graph.tensors[source].shape[axis]) for axis in order]
    index = len(file.graph.operators)
    constant = file.tensor(f"order{index}", (len(order),), dtype="int32", data=order)
    result = _tensor(file, f"transposed{index}", shape, _kind(file, source))
    file.operator("TRANSPOSE", [source, constant], [result], version=2)
    return result
