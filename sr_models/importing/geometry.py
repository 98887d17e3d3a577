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


def _with_crops_raised(network: Network) -> Network:
    """Crops moved towards the input, through what works pixel by pixel."""
    while (found := _crop_to_raise(network)) is not None:
        network = _raised(network, found)
    return network


def _crop_to_raise(network: Network) -> Operation | None:
    uses = network.uses()
    for operation in network:
        if operation.kind == "crop" and uses[operation.inputs[0]] == 1:
            source = network[operation.inputs[0]]
            if source.kind in _POINTWISE or source.kind in ("transposed", "crop"):
                return operation
    return None


def _raised(network: Network, crop: Operation) -> Network:
    source = network[crop.inputs[0]]
    made, renamed = Network(), {}
    for operation in network:
        inputs = tuple(renamed[name] for name in operation.inputs)
        if operation.name == source.name:
            if source.kind in _POINTWISE:
                before = made[inputs[0]].channels
                cut = replace(crop, inputs=inputs, channels=before)
                inputs = (made.add(cut),)
                renamed[operation.name] = made.add(replace(operation, inputs=inputs))
            else:  # It cuts off more itself.
                values = dict(source.values)
                for side in ("rows", "columns"):
                    values[side] = tuple(a + b for a, b in zip(source[side], crop[side]))
                renamed[operation.name] = made.add(replace(operation, inputs=inputs, values=values))
        elif operation.name == crop.name:
            renamed[operation.name] = inputs[0]
        else:
            renamed[operation.name] = made.add(replace(operation, inputs=inputs))
    made.output = renamed[network.output]
    return made


def is_never_negative(network: Network, name: str) -> bool:
    """Whether the values of an operation are 0 or more, whatever the input is."""
    operation = network[name]
    if operation.kind == "bound":
        return operation["minimum"] >= 0.0
    if operation.kind == "sigmoid":
        return True
    inputs = operation.inputs if operation.kind in _KEEPING else ()
    return bool(inputs) and all(is_never_negative(network, name) for name in inputs)


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
