"""How far apart the ways of computing one int8 file are: on two kernel paths, and simulated.

Kernels round differently inside, and single codes that differ there spread. The float simulation
(`sr_models.quantization.simulator`) is what methods see and rounds as XNNPACK does, nearly; the
integer one (`sr_models.quantization.integer_network`) is what builtin kernels compute, exactly on
x86-64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from export.quantizing.quantized_network import QuantizedNetwork
from export.running.differences import CodeDifference
from export.running.interpreters import open_model
from export.running.pixels import upscale
from sr_models.ground.errors import CalibrationError
from sr_models.ground.pixel_range import UNIT
from sr_models.networks.graph import INPUT, output_name
from sr_models.quantization.grids import Grid
from sr_models.quantization.integer_kernels import LOWEST
from sr_models.quantization.integer_network import simulate_builtin
from sr_models.quantization.simulator import simulate, stored_ranges

PICTURES = 4

Pictures = Sequence[np.ndarray]


@dataclass(frozen=True)
class KernelAgreement:
    """The differences between kernel paths and simulations of one file.

    Attributes:
        pictures: Number of pictures compared.
        xnnpack_from_builtin: The two kernel paths.
        xnnpack_from_float_simulation: XNNPACK and what quantization methods saw; `None` where the
            file was not made from written ranges, or has layers that are not simulated.
        builtin_from_float_simulation: The same for builtin kernels.
        builtin_from_integer_simulation: Builtin kernels and their own arithmetic.
    """

    pictures: int
    xnnpack_from_builtin: CodeDifference
    xnnpack_from_float_simulation: CodeDifference | None = None
    builtin_from_float_simulation: CodeDifference | None = None
    builtin_from_integer_simulation: CodeDifference | None = None

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        parts = {
            "XNNPACK from builtin": self.xnnpack_from_builtin,
            "XNNPACK from simulation": self.xnnpack_from_float_simulation,
            "builtin from integer simulation": self.builtin_from_integer_simulation,
        }
        found = "; ".join(f"{name} {value}" for name, value in parts.items() if value is not None)
        return f"{found} ({self.pictures} held-out tiles)"


class KernelMeter:
    """Knows what the simulations of a network compute, and holds its int8 files against them."""

    def __init__(self, network: QuantizedNetwork | None, pictures: Pictures):
        """Simulate the network where that can be done.

        Args:
            network: What the files were made from; `None` where the converter found its own ranges.
            pictures: uint8 (h, w, channels); the first `PICTURES` are taken.
        """
        self.pictures = pictures[:PICTURES]
        self.as_float = self._simulated(_float_codes, network)
        self.as_integers = self._simulated(_integer_codes, network)

    def _simulated(self, make: Callable, network: QuantizedNetwork | None) -> Pictures | None:
        if network is None:
            return None
        try:
            simulate_codes = make(network)
        except CalibrationError:
            # A layer that the simulation does not have; the file itself may be good.
            return None
        return [simulate_codes(picture) for picture in self.pictures]

    def __call__(self, content: bytes) -> KernelAgreement:
        """Run an int8 file whose input and output are pixels on both kernel paths.

        Raises:
            ModelFileError: The file refuses a picture's size.
        """
        xnnpack, builtin = (_run(content, kind, self.pictures) for kind in ("xnnpack", "builtin"))
        found = {}
        if self.as_float is not None:
            found["xnnpack_from_float_simulation"] = CodeDifference.between(xnnpack, self.as_float)
            found["builtin_from_float_simulation"] = CodeDifference.between(builtin, self.as_float)
        if self.as_integers is not None:
            found["builtin_from_integer_simulation"] = CodeDifference.between(
                builtin, self.as_integers
            )
        between = CodeDifference.between(xnnpack, builtin)
        return KernelAgreement(len(self.pictures), between, **found)


def _run(content: bytes, delegate: str, pictures: Pictures) -> Pictures:
    runner = open_model(content, delegate=delegate, threads=2)
    return [upscale(runner, picture, pixels=UNIT).raw for picture in pictures]


def _float_codes(network: QuantizedNetwork) -> Callable[[np.ndarray], np.ndarray]:
    model = simulate(network.model, network.ranges)
    grids = stored_ranges(network.model, network.ranges)
    source, target = Grid.of(grids[INPUT]), Grid.of(grids[output_name(network.model)])

    def codes_of(picture: np.ndarray) -> np.ndarray:
        values = source.centred(picture.astype(np.int16) + LOWEST) * source.scale
        result = model(values[None].astype(np.float32), training=False).numpy()[0]
        steps = np.rint(result / target.scale)
        return (target.stored(steps).astype(np.int16) - LOWEST).astype(np.uint8)

    return codes_of


def _integer_codes(network: QuantizedNetwork) -> Callable[[np.ndarray], np.ndarray]:
    integer_network = simulate_builtin(network.model, network.ranges)
    return lambda picture: integer_network(picture[None])[0]
