"""Operations that leave the resolution of their input, and what is written in their place.

Readers say what a source does; here it becomes operations that int8 kernels have. A transposed
convolution of any cut is a convolution and depth-to-space, a pooling is one without padding of its
own, and what is cut off goes up to where it costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sr_models.importing.operations import Network, Operation
from sr_models.importing.transposed import as_convolution

Pair = tuple[int, int]
MOST_POOLED = 64
"""Rows and columns of a pool, and of its strides."""
MOST_REDUCED = 16
"""By how much a picture may be resized to less at once."""
_POINTWISE = frozenset(
    ("affine", "bound", "prelu", "tanh", "sigmoid", "rounding", "truncation", "slice", "repeat")
)
_KEEPING = (
    "max_pool",
    "average_pool",
    "pad",
    "mirror_pad",
    "crop",
    "depth_to_space",
    "space_to_depth",
    "slice",
    "repeat",
    "bilinear",
    "resize",
    "concatenate",
    "add",
    "multiply",
)
"""What makes nothing negative of what is not."""


def same_padding(size: int, *, kernel: int, stride: int, dilation: int = 1) -> Pair:
    """What TensorFlow's `SAME` adds before and after an axis of `size` pixels."""
    span = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + span - size, 0)
    return total // 2, total - total // 2


def is_same_padding(
    pads: tuple[Pair, Pair],
    size: Pair,
    *,
    kernel: Pair,
    strides: Pair,
    dilation: Pair = (1, 1),
) -> bool:
    """Whether zeros around a picture are those of `SAME`, at its size and at any other.

    Where the size is a multiple of the stride, `SAME` adds alike at all such sizes; elsewhere it
    depends on the size, and only what says its own padding is exact.
    """
    axes = zip(size, kernel, strides, dilation)
    wanted = [same_padding(n, kernel=k, stride=s, dilation=d) for n, k, s, d in axes]
    divides = all(n % s == 0 for n, s in zip(size, strides))
    return divides and [tuple(pad) for pad in pads] == wanted


def averaging(channels: int, *, size: Pair, strides: Pair, input_size: Pair) -> dict[str, object]:
    """The values of a convolution that takes the mean of each window.

    It has an int8 grid of its own and XNNPACK runs it; AVERAGE_POOL_2D has neither.
    """
    taps = np.full((*size, 1, channels), 1.0 / (size[0] * size[1]), np.float32)
    return reducing(taps, strides=strides, input_size=input_size)


def reducing(taps: np.ndarray, *, strides: Pair, input_size: Pair) -> dict[str, object]:
    """The values of a convolution of each channel by itself, without padding.

    Args:
        taps: float32 (h, w, 1, C).
        strides: Rows and columns from one window to the next.
        input_size: Height and width of what it reads.
    """
    return {
        "kernel": taps,
        "bias": np.zeros(taps.shape[-1], np.float32),
        "padding": "valid",
        "strides": strides,
        "dilation": (1, 1),
        "groups": taps.shape[-1],
        "size": input_size,
    }


def bilinear_reduction(factor: int, channels: int) -> np.ndarray:
    """float32 (k, k, 1, C): what a reduction by k without antialiasing reads of each k x k block.

    The two pixels around its centre, or the one in it.
    """
    taps = np.zeros(factor, np.float32)
    taps[[(factor - 1) // 2, factor // 2]] = 1.0 if factor % 2 else 0.5
    return np.repeat(np.outer(taps, taps)[:, :, None, None], channels, axis=3)


def nearest_reduction(factor: int, channels: int, *, place: int) -> np.ndarray:
    """float32 (k, k, 1, C): the same for the one pixel at a place of each block."""
    taps = np.zeros((factor, factor, 1, channels), np.float32)
    taps[place, place] = 1.0
    return taps


def with_plain_geometry(network: Network) -> Network:
    """The same network without kinds that no layer is written for.

    `transposed` goes away, and so do paddings of `max_pool`, and `mirror_pad` of the mode "EDGE".

    Args:
        network: As it was read.
    """
    kinds = {operation.kind for operation in network}
    if not kinds & {"transposed", "max_pool", "mirror_pad", "crop"}:
        return network
    return _Lowering(_with_crops_raised(network)).run()


Cut = dict[str, Pair]
_RAISING = _POINTWISE | {"transposed", "crop"}


def _with_crops_raised(network: Network) -> Network:
    """Crops moved towards the input, through what works pixel by pixel and is read once."""
    uses = network.uses()
    asked: dict[str, Cut] = {}  # operation -> what is cut off what it makes
    before: dict[str, Cut] = {}  # operation -> what is cut off what it reads

    def passes(source: str, cut: Cut) -> bool:
        if uses[source] > 1 or network[source].kind not in _RAISING:
            return False
        asked[source] = cut
        return True

    gone = set()
    for operation in reversed(list(network)):
        cut = asked.get(operation.name)
        if operation.kind == "crop":
            cut = _more(operation.values, cut)
            if passes(operation.inputs[0], cut):
                gone.add(operation.name)
            asked[operation.name] = cut
        elif operation.kind in _POINTWISE and cut and not passes(operation.inputs[0], cut):
            before[operation.name] = cut
    made, renamed = Network(), {}
    for operation in network:
        inputs, name = tuple(renamed[source] for source in operation.inputs), operation.name
        if name in gone:
            renamed[name] = inputs[0]
            continue
        values = operation.values
        if name in before:
            channels, layer = made[inputs[0]].channels, f"{operation.layer}_crop"
            inputs = (made.add(Operation(layer, "crop", inputs, channels, before[name])),)
        if operation.kind == "crop":
            values = asked[name]
        elif operation.kind == "transposed":  # It cuts off more itself.
            values = {**values, **_more(values, asked.get(name))}
        renamed[name] = made.add(replace(operation, inputs=inputs, values=values))
    made.output = renamed[network.output]
    return made


def _more(values: Mapping[str, object], cut: Cut | None) -> Cut:
    """Rows and columns that two cuts take away, one after the other."""
    given = {side: values[side] for side in ("rows", "columns")}
    if cut is None:
        return given
    return {side: tuple(a + b for a, b in zip(given[side], cut[side])) for side in given}


def is_never_negative(network: Network, name: str) -> bool:
    """Whether the values of an operation are 0 or more, whatever the input is."""
    seen, waiting = set(), [name]
    while waiting:
        name = waiting.pop()
        operation = network[name]
        bounded = operation.kind == "bound" and operation["minimum"] >= 0.0
        if name in seen or bounded or operation.kind == "sigmoid":
            continue
        if operation.kind not in _KEEPING:
            return False
        seen.add(name)
        waiting += operation.inputs
    return True


class _Lowering:
    """One pass in the order of computation."""

    def __init__(self, network: Network):
        self.old, self.new = network, Network()

    def run(self) -> Network:
        renamed: dict[str, str] = {}
        for operation in self.old:
            inputs = tuple(renamed[name] for name in operation.inputs)
            rule = getattr(self, f"_{operation.kind}", self.new.add)
            renamed[operation.name] = rule(replace(operation, inputs=inputs))
        self.new.output = renamed[self.old.output]
        return self.new.pruned()

    def _after(
        self,
        operation: Operation,
        kind: str,
        values: Mapping[str, object],
        *,
        source: str,
        channels: int | None = None,
    ) -> str:
        """Another operation of the same layer."""
        width = channels or operation.channels
        name = operation.layer or operation.name
        return self.new.add(Operation(name, kind, (source,), width, dict(values)))

    def _max_pool(self, operation: Operation) -> str:
        rows, columns = (operation.values.get(side, (0, 0)) for side in ("rows", "columns"))
        values = {k: v for k, v in operation.values.items() if k not in ("rows", "columns")}
        operation = replace(operation, values=values)
        if any((*rows, *columns)):
            # Beyond the border lies nothing. Where values are 0 or more, 0 is never the greatest
            # alone; elsewhere the outermost pixel is not, for it lies in each such window itself.
            kind = "pad" if is_never_negative(self.new, operation.inputs[0]) else "mirror_pad"
            padded = Operation(
                f"{operation.layer}_padding",
                kind,
                operation.inputs,
                operation.channels,
                {"rows": rows, "columns": columns, "mode": "EDGE"},
            )
            added = self._mirror_pad(padded) if kind == "mirror_pad" else self.new.add(padded)
            operation = replace(operation, inputs=(added,))
        return self.new.add(operation)

    def _mirror_pad(self, operation: Operation) -> str:
        """The outermost pixel n times over is its neighbour's mirror image, n times."""
        if operation["mode"] != "EDGE":
            return self.new.add(operation)
        left = {side: list(operation[side]) for side in ("rows", "columns")}
        (name,) = operation.inputs
        while any(map(any, left.values())):
            now = {side: tuple(min(1, n) for n in amounts) for side, amounts in left.items()}
            name = self._after(operation, "mirror_pad", {**now, "mode": "SYMMETRIC"}, source=name)
            left = {s: [n - m for n, m in zip(left[s], now[s])] for s in left}
        return name

    def _transposed(self, operation: Operation) -> str:
        """A convolution and depth-to-space; with pixels more or less where sizes do not fit."""
        stride, kernel = operation["stride"], operation["kernel"]
        cuts = [operation[side] for side in ("rows", "columns")]
        # Blocks of pixels beyond those of the input, each a block of zeros of it.
        excess = [k - stride - sum(cut) for k, cut in zip(kernel.shape[:2], cuts)]
        blocks = [-(-n // stride) if n > 0 else 0 for n in excess]
        (name,) = operation.inputs
        if any(blocks):
            amounts = [(0, n) for n in blocks]
            pads = {"rows": amounts[0], "columns": amounts[1]}
            channels = self.new[name].channels
            name = self._after(operation, "pad", pads, source=name, channels=channels)
        before = tuple(cut[0] for cut in cuts)
        small = as_convolution(kernel, stride=stride, padding=before)
        values = {
            "kernel": small,
            "bias": np.tile(operation["bias"], stride**2),
            "padding": "same",
            "dilation": (1, 1),
            "groups": 1,
        }
        name = self._after(operation, "convolution", values, source=name, channels=small.shape[-1])
        if stride > 1:
            name = self._after(operation, "depth_to_space", {"block": stride}, source=name)
        left = [n * stride - e for n, e in zip(blocks, excess)]
        if any(left):
            cut = {"rows": (0, left[0]), "columns": (0, left[1])}
            name = self._after(operation, "crop", cut, source=name)
        return name
