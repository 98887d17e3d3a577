"""A float network as DFSQ simulates it: points chosen for each channel of what its body reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sr_models.ground.errors import CalibrationError, OptionError, require_known
from sr_models.networks.graph import tensors_of
from sr_models.published.dfsq import DfsqActivation, normalization, quantized_weights
from sr_models.published.settings import require_bits
from sr_models.published.sites import Site, body_sites, convolution_sites, is_convolution
from sr_models.published.student import copied, student_of
from sr_models.published.subset_selection import KMEANS, RESTARTS, Subset, select_subset

PATCHES = 32
"""Low-resolution patches of 48x48 pixels that the released code calibrates with."""


@dataclass(frozen=True)
class DfsqSettings:
    """How a network is quantized by DFSQ.

    Attributes:
        bits: Width of weights and activations, 2 to 16.
        merge: Whether EDSR's last convolution of the body is quantized too, which is ours; RDN's
            global fusion always is.
        restarts: Runs of K-means per channel.
        kmeans: See `subset_selection.KMEANS`.
        seed: Their seed.
    """

    bits: int = 4
    merge: bool = False
    restarts: int = RESTARTS
    kmeans: str = "distinct"
    seed: int = 0

    def __post_init__(self):
        require_bits(self.bits)
        require_known("a K-means", self.kmeans, KMEANS)
        if self.restarts < 1 or self.seed < 0:
            raise OptionError(
                f"expected at least 1 restart and a seed of at least 0, found {self.restarts} and "
                f"{self.seed}"
            )

    @classmethod
    def published(cls, bits: int, *, seed: int = 0) -> DfsqSettings:
        """As released: its own K-means; EDSR's last convolution of the body stays float."""
        return cls(bits, merge=False, kmeans="released", seed=seed)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class DfsqStudent:
    """A network as DFSQ simulates it.

    Attributes:
        model: The simulation; float32 (N, H, W, 3) in and out as the network.
        settings: How it is quantized.
        subsets: Points of each channel, by the convolution that reads them.
    """

    model: Any
    settings: DfsqSettings
    subsets: dict[str, tuple[Subset, ...]]

    @property
    def distinct_points(self) -> float:
        """Mean number of points that differ, over all channels."""
        counts = [s.distinct for each in self.subsets.values() for s in each]
        return float(np.mean(counts))


def _channel_values(teacher, sites: Sequence[Site], batches) -> dict[str, list[np.ndarray]]:
    """Normalized values of each channel that a site reads: name -> C arrays."""
    names = sorted({site.reads for site in sites})
    centred = {site.reads: not site.rectified for site in sites}
    pooled: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for tensors in tensors_of(teacher, names, batches=batches):
        for name, values in zip(names, tensors):
            mean, magnitude = normalization(values, centred=centred[name])
            normal = ((values - mean) / magnitude).numpy()
            pooled[name].append(normal.reshape(-1, values.shape[-1]))
    return {name: list(np.concatenate(parts).T) for name, parts in pooled.items()}


def dfsq_student(
    teacher,
    settings: DfsqSettings,
    *,
    batches: Sequence[np.ndarray],
    on_layer: Callable[[int, int], None] = lambda done, total: None,
) -> DfsqStudent:
    """Choose points for every quantized convolution and build the simulation.

    Args:
        teacher: Float functional network, which stays as it is.
        settings: How it is quantized.
        batches: Calibration patches, each batch float32 (N, h, w, 3) in 0..1; 32 patches of 48x48
            pixels in the released code.
        on_layer: Called with the layers done and their number.

    Raises:
        CalibrationError: There are no patches, or tensors that are not finite.
        OptionError: The network has no body to quantize.
    """
    if not len(batches):
        raise CalibrationError("expected patches to choose points with, found none; give some")
    sites = body_sites(teacher)
    if settings.merge:
        sites += [site for site in convolution_sites(teacher) if site.role == "merge"]
    values = _channel_values(teacher, sites, batches)
    chosen: dict[str, tuple[Subset, ...]] = {}
    subsets: dict[str, tuple[Subset, ...]] = {}
    for done, site in enumerate(sites, start=1):
        # Convolutions that read one tensor have the same points, which the same seed would find.
        if site.reads not in chosen:
            chosen[site.reads] = tuple(
                select_subset(
                    each,
                    bits=settings.bits,
                    restarts=settings.restarts,
                    seed=settings.seed,
                    kmeans=settings.kmeans,
                )
                for each in values[site.reads]
            )
        subsets[site.name] = chosen[site.reads]
        on_layer(done, len(sites))
    quantized = {site.name: site for site in sites}
    layers: dict[str, DfsqActivation] = {}

    def read(consumer, source, tensor):
        if consumer not in quantized:
            return tensor
        label = f"{consumer.replace(':', '_')}_dfsq"
        layers[consumer] = DfsqActivation(not quantized[consumer].rectified, name=label)
        return layers[consumer](tensor)

    model = student_of(teacher, read=read, replace_layer=copied)
    for name, layer in layers.items():
        layer.set_points(np.array([subset.points for subset in subsets[name]]))
    for layer in model.layers:
        if is_convolution(layer) and layer.name in quantized:
            kernel, *rest = layer.get_weights()
            layer.set_weights([quantized_weights(kernel, bits=settings.bits), *rest])
    return DfsqStudent(model, settings, subsets)
