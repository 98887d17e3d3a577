"""Twelve published architectures, each written once by steps that every source format has.

A pen writes the steps down: as layers of Keras (`keras_pen`), of which TensorFlow makes
SavedModels, frozen graphs and `.tflite` files, or as nodes of ONNX in the spelling of PyTorch's
exporters (`onnx_pen`). Borders are those of PyTorch, where these networks come from. Widths are
small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Tensor = Any
"""What a pen calls a tensor."""
MEAN = (0.4488, 0.4371, 0.4040)
"""Mean of DIV2K, RGB in 0..1, as EDSR's public code subtracts it."""


class Pen(Protocol):
    """Writes a network step by step, each step with weights of its own."""

    def conv(self, x: Tensor, channels: int, size: int = 3, **given: Any) -> Tensor:
        """A convolution of PyTorch's; `given`: `groups`, `stride`, `padding`, `bias`."""

    def normalized(self, x: Tensor) -> Tensor:
        """Batch normalization."""

    def bent(self, x: Tensor, kind: str, slope: float = 0.0) -> Tensor:
        """An activation: `relu`, `leaky`, `prelu`, `tanh`, `sigmoid`."""

    def combined(self, kind: str, *tensors: Tensor) -> Tensor:
        """`add`, `subtract`, `multiply` of two tensors, or `join` of the channels of several."""

    def scaled(self, x: Tensor, factor: float = 1.0, shift: Sequence[float] = ()) -> Tensor:
        """A number times the tensor, and one for each channel added."""

    def cut(self, x: Tensor, widths: Sequence[int]) -> list[Tensor]:
        """The channels in parts."""

    def shuffled(self, x: Tensor, channels: int, scale: int, kind: str = "") -> Tensor:
        """A 3x3 convolution, an activation where one is named, and a pixel shuffle."""

    def grown(self, x: Tensor, channels: int, size: int, scale: int) -> Tensor:
        """A transposed convolution that makes a picture `scale` times as large."""

    def larger(self, x: Tensor, scale: int, *, smooth: bool) -> Tensor:
        """Nearest or bilinear upscaling."""

    def as_large(self, x: Tensor, other: Tensor) -> Tensor:
        """Bilinear resizing to another tensor's size."""

    def pooled(self, x: Tensor, size: int, stride: int) -> Tensor:
        """The largest of each window, without padding."""

    def mean(self, x: Tensor) -> Tensor:
        """The mean of each channel over the whole picture."""

    def deviation(self, x: Tensor) -> Tensor:
        """The standard deviation of each channel over the whole picture, spelt out."""

    def clipped(self, x: Tensor) -> Tensor:
        """A clip to 0..1."""


def _espcn(pen: Pen, x: Tensor, width: int) -> Tensor:
    y = pen.bent(pen.conv(x, width, 5), "tanh")
    return pen.shuffled(pen.bent(pen.conv(y, width // 2), "tanh"), 3, 3)


def _fsrcnn(pen: Pen, x: Tensor, width: int) -> Tensor:
    y = pen.bent(pen.conv(x, width, 5), "prelu")
    y = pen.bent(pen.conv(y, width // 2, 1), "prelu")
    y = pen.bent(pen.conv(y, width // 2), "prelu")
    return pen.grown(pen.bent(pen.conv(y, width, 1), "prelu"), 3, 9, 2)


def _srcnn(pen: Pen, x: Tensor, width: int) -> Tensor:
    y = pen.bent(pen.conv(pen.larger(x, 2, smooth=True), width, 9), "relu")
    return pen.conv(pen.bent(pen.conv(y, width // 2, 1), "relu"), 3, 5)


def _vdsr(pen: Pen, x: Tensor, width: int) -> Tensor:
    y = x
    for _ in range(3):
        y = pen.bent(pen.conv(y, width, bias=False), "relu")
    return pen.combined("add", pen.conv(y, 3, bias=False), x)


def _dncnn(pen: Pen, x: Tensor, width: int) -> Tensor:
    y = pen.bent(pen.conv(x, width), "relu")
    for _ in range(2):
        y = pen.bent(pen.normalized(pen.conv(y, width, bias=False)), "relu")
    return pen.combined("subtract", x, pen.conv(y, 3))


def _edsr(pen: Pen, x: Tensor, width: int) -> Tensor:
    head = y = pen.conv(pen.scaled(x, shift=[-mean for mean in MEAN]), width)
    for _ in range(2):
        inner = pen.conv(pen.bent(pen.conv(y, width), "relu"), width)
        y = pen.combined("add", pen.scaled(inner, 0.1), y)
    y = pen.combined("add", pen.conv(y, width), head)
    for _ in range(2):
        y = pen.shuffled(y, width, 2)
    return pen.scaled(pen.conv(y, 3), shift=MEAN)


def _esa(pen: Pen, x: Tensor, width: int) -> Tensor:
    """Enhanced spatial attention (arXiv 2009.11551, figure 4), borders as in its public code."""
    low = pen.conv(x, width // 4, 1)
    y = pen.conv(low, width // 4, stride=2, padding=0)
    y = pen.bent(pen.conv(pen.pooled(y, 7, 3), width // 4), "relu")
    y = pen.as_large(pen.conv(y, width // 4), x)
    y = pen.combined("add", y, pen.conv(low, width // 4, 1))
    return pen.combined("multiply", x, pen.bent(pen.conv(y, width, 1), "sigmoid"))


def _rfdn(pen: Pen, x: Tensor, width: int) -> Tensor:
    head = y = pen.conv(x, width)
    made = []
    for _ in range(2):
        kept, inner = [], y
        for _ in range(2):
            kept.append(pen.bent(pen.conv(inner, width // 2, 1), "leaky", 0.05))
            inner = pen.combined("add", pen.conv(inner, width), inner)
            inner = pen.bent(inner, "leaky", 0.05)
        kept.append(pen.bent(pen.conv(inner, width // 2), "leaky", 0.05))
        y = _esa(pen, pen.conv(pen.combined("join", *kept), width, 1), width)
        made.append(y)
    y = pen.conv(pen.combined("join", *made), width, 1)
    y = pen.combined("add", pen.conv(pen.bent(y, "leaky", 0.05), width), head)
    return pen.shuffled(y, 3, 4)


def _imdn(pen: Pen, x: Tensor, width: int) -> Tensor:
    head = y = pen.conv(x, width)
    quarter = width // 4
    for _ in range(2):
        kept, inner = [], y
        for _ in range(3):
            inner = pen.bent(pen.conv(inner, width), "leaky", 0.05)
            part, inner = pen.cut(inner, (quarter, width - quarter))
            kept.append(part)
        joined = pen.combined("join", *kept, pen.conv(inner, quarter))
        contrast = pen.combined("add", pen.deviation(joined), pen.mean(joined))
        gate = pen.bent(pen.conv(contrast, quarter, 1), "relu")
        gate = pen.bent(pen.conv(gate, width, 1), "sigmoid")
        weighed = pen.combined("multiply", joined, gate)
        y = pen.combined("add", pen.conv(weighed, width, 1), y)
    return pen.shuffled(pen.combined("add", pen.conv(y, width), head), 3, 2)


def _carn(pen: Pen, x: Tensor, width: int) -> Tensor:
    y = pen.conv(pen.scaled(x, shift=[-mean for mean in MEAN]), width)
    joined = y
    for _ in range(2):
        inner = pen.bent(pen.conv(y, width), "relu")
        inner = pen.conv(pen.bent(pen.conv(inner, width), "relu"), width, 1)
        y = pen.bent(pen.combined("add", inner, y), "relu")
        joined = pen.combined("join", joined, y)
        y = pen.bent(pen.conv(joined, width, 1), "relu")
    return pen.scaled(pen.conv(pen.shuffled(y, width, 2, "relu"), 3), shift=MEAN)


def _srvgg(pen: Pen, x: Tensor, width: int) -> Tensor:
    y = x
    for _ in range(3):
        y = pen.bent(pen.conv(y, width), "prelu")
    return pen.combined("add", pen.shuffled(y, 3, 4), pen.larger(x, 4, smooth=False))


def _wdsr(pen: Pen, x: Tensor, width: int) -> Tensor:
    shifted = pen.scaled(x, 2.0, shift=[-2.0 * mean for mean in MEAN])
    y = pen.conv(shifted, width)
    for _ in range(2):
        inner = pen.bent(pen.conv(y, 4 * width, 1), "relu")
        inner = pen.conv(pen.conv(inner, width - 2, 1), width)
        y = pen.combined("add", inner, y)
    both = pen.combined("add", pen.shuffled(y, 3, 2), pen.shuffled(shifted, 3, 2))
    return pen.scaled(both, 0.5, shift=MEAN)


def _unet(pen: Pen, x: Tensor, width: int) -> Tensor:
    first = pen.bent(pen.normalized(pen.conv(x, width)), "relu")
    second = pen.bent(pen.normalized(pen.conv(pen.pooled(first, 2, 2), 2 * width)), "relu")
    y = pen.bent(pen.conv(pen.pooled(second, 2, 2), 2 * width), "relu")
    y = pen.combined("join", pen.grown(y, 2 * width, 2, 2), second)
    y = pen.bent(pen.conv(y, width), "relu")
    y = pen.combined("join", pen.grown(y, width, 2, 2), first)
    y = pen.conv(pen.bent(pen.conv(y, width), "relu"), 3, 1)
    return pen.clipped(pen.combined("add", y, x))


@dataclass(frozen=True)
class SourceNetwork:
    """One architecture.

    Attributes:
        name: What tables call it.
        scale: How much larger the picture gets.
        write: `write(pen, picture, width)`, the output.
        divisor: What its input's sides must be multiples of.
    """

    name: str
    scale: int
    write: Callable[[Pen, Tensor, int], Tensor]
    divisor: int = 1


SOURCE_NETWORKS = {
    found.name: found
    for found in (
        SourceNetwork("espcn", 3, _espcn),
        SourceNetwork("fsrcnn", 2, _fsrcnn),
        SourceNetwork("srcnn", 2, _srcnn),
        SourceNetwork("vdsr", 1, _vdsr),
        SourceNetwork("dncnn", 1, _dncnn),
        SourceNetwork("edsr", 4, _edsr),
        SourceNetwork("rfdn", 4, _rfdn),
        SourceNetwork("imdn", 2, _imdn),
        SourceNetwork("carn", 2, _carn),
        SourceNetwork("srvgg", 4, _srvgg),
        SourceNetwork("wdsr", 2, _wdsr),
        SourceNetwork("unet", 1, _unet, divisor=4),
    )
}
"""By name."""
