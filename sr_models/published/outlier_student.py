"""A float network as its outlier-aware student: dual regions before every convolution.

arXiv 2511.00682; as in github:haiiling/OAQ-SR: each quantized convolution has a quantizer of its
own for what it reads, and a bound for its weights. The convolutions of the body, and RDN's global
fusion, have `bits`; with `edges` (its option `--fq`, the setting of the published tables) EDSR's
last one of the body has them too, and head, upsampler and tail have 8. Without, these stay float.

Which convolutions those are in networks without blocks is our choice (`sites`), as is the placement
`"tensors"`: one quantizer on each tensor that a file stores, for the reading `"single"`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sr_models.ground.errors import CalibrationError, require_known
from sr_models.networks.graph import points, tensors_of
from sr_models.published.dual_region import (
    ONE_REGION,
    WEIGHT_GRIDS,
    DualRegionActivation,
    DualRegionConvolution,
    require_reading,
)
from sr_models.published.regions import (
    BETTER,
    BREAK_POINTS,
    PUBLISHED,
    WEIGHT_STARTS,
    Regions,
    regions_of,
    start_bounds,
    with_better_start,
)
from sr_models.published.sensitivity import PIXEL_RANGE, Sensitivities, sensitivities, spread
from sr_models.published.settings import PIXEL_BITS, require_bits
from sr_models.published.sites import (
    QUANTIZED,
    body_sites,
    convolution_sites,
    feature_points,
    is_convolution,
    quantized_tensors,
)
from sr_models.published.student import centres, copied, student_of

PLACEMENTS = ("reads", "tensors")
GROUPS = ("weights", "bounds", "break_points")
"""What is learned in turn: weight bounds, activation bounds, break points."""


@dataclass(frozen=True)
class OutlierSettings:
    """How a network is quantized with dual regions.

    Attributes:
        bits: Width of the body's weights and activations, 2 to 16.
        reading: See `dual_region.READINGS`.
        edges: Whether head, last convolution of the body, upsampler and tail are quantized too.
        edge_bits: Width of head, upsampler and tail.
        placement: `"reads"`, a quantizer before each convolution, or `"tensors"` (ours).
        weight_grid: See `dual_region.WEIGHT_GRIDS`.
        weight_start: One of `regions.WEIGHT_STARTS`.
        break_points: See `regions.BREAK_POINTS`.
        learn_clipping: Whether bounds learn from what they clip (ours).
    """

    bits: int = 8
    reading: str = "released"
    edges: bool = True
    edge_bits: int = PIXEL_BITS
    placement: str = "reads"
    weight_grid: str = "even"
    weight_start: str = "least_error"
    break_points: str = "last"
    learn_clipping: bool = True

    def __post_init__(self):
        require_bits(self.bits)
        require_bits(self.edge_bits)
        require_reading(self.reading)
        for name, known in (
            ("placement", PLACEMENTS),
            ("weight_grid", WEIGHT_GRIDS),
            ("weight_start", WEIGHT_STARTS),
            ("break_points", BREAK_POINTS),
        ):
            require_known(name, getattr(self, name), known)

    @classmethod
    def published(cls, bits: int, *, reading: str = "released") -> OutlierSettings:
        """As released, with its option `--fq`: its search of weight bounds, its gradients."""
        return cls(bits, reading=reading, weight_start=PUBLISHED, learn_clipping=False)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class OutlierStudent:
    """A network being quantized with dual regions.

    Attributes:
        model: The student; float32 (N, H, W, 3) in and out as the teacher.
        settings: How it is quantized.
        quantizers: Activation quantizers by convolution, or by tensor where they stand on those.
        watched: The teacher's point that each of them sees, by the same names.
        convolutions: Quantized convolutions by name, in the order they are computed.
        reads: The teacher's point that each of those reads.
        sensitivities: What each of them and each compared feature weighs, once calibrated.
    """

    model: Any
    settings: OutlierSettings
    quantizers: dict[str, DualRegionActivation]
    watched: dict[str, str]
    convolutions: dict[str, DualRegionConvolution]
    reads: dict[str, str]
    sensitivities: Sensitivities | None = None

    @property
    def groups(self) -> dict[str, list]:
        """What is learned in turn, by the names of `GROUPS`; a group without use is empty."""
        layers = list(self.quantizers.values())
        dual = self.settings.reading not in ONE_REGION
        return {
            "weights": [layer.bound for layer in self.convolutions.values()],
            "bounds": [v for layer in layers for v in (layer.lower, layer.upper)],
            "break_points": [layer.break_point for layer in layers] if dual else [],
        }

    def regions(self) -> dict[str, Regions]:
        """Bounds and break point of each quantizer."""
        return {
            name: Regions(float(q.lower), float(q.upper), float(q.break_point))
            for name, q in self.quantizers.items()
        }

    def set_regions(self, regions: Mapping[str, Regions]) -> None:
        """Give quantizers their bounds and break points."""
        for name, value in regions.items():
            layer = self.quantizers[name]
            layer.lower.assign(value.lower)
            layer.upper.assign(value.upper)
            layer.break_point.assign(value.break_point)

    def put_in_order(self) -> None:
        """Undo what a step of learning must not do: crossed bounds, a bound that clips all."""
        self.set_regions({name: value.ordered for name, value in self.regions().items()})
        for layer in self.convolutions.values():
            largest = np.abs(layer.kernel.numpy()).max()
            layer.bound.assign(np.clip(layer.bound.numpy(), 1e-6, max(1e-6, largest)))


def outlier_student(model, settings: OutlierSettings) -> OutlierStudent:
    """The student of a float network, its weights bounded, its activations not calibrated yet.

    Args:
        model: Float functional network: the teacher, which stays as it is.
        settings: How it is quantized.

    Raises:
        OptionError: The network has no body to quantize.
    """
    if not settings.edges:
        body_sites(model)
    graph, kept = points(model), centres(model)
    narrow = (*QUANTIZED, "merge")
    bits_of = {
        site.name: settings.bits if site.role in narrow else settings.edge_bits
        for site in convolution_sites(model)
        if settings.edges or site.role in QUANTIZED
    }
    reads = {name: graph[name].inputs[0] for name in bits_of}
    tensors: dict[str, int] = {}
    if settings.placement == "tensors":
        edge_bits = settings.edge_bits if settings.edges else None
        tensors = quantized_tensors(model, bits=settings.bits, edge_bits=edge_bits)
    quantizers: dict[str, DualRegionActivation] = {}
    watched: dict[str, str] = {}
    convolutions: dict[str, DualRegionConvolution] = {}

    def quantizer(name: str, source: str, bits: int):
        label = f"{name.replace(':', '_')}_regions"
        watched[name] = source
        quantizers[name] = DualRegionActivation(
            bits, settings.reading, settings.learn_clipping, name=label
        )
        return quantizers[name]

    def transform(name, tensor):
        return quantizer(name, name, tensors[name])(tensor) if name in tensors else tensor

    def read(consumer, source, tensor):
        if settings.placement == "tensors" or consumer not in bits_of:
            return tensor
        return quantizer(consumer, source, bits_of[consumer])(tensor)

    def replace_layer(layer):
        if not is_convolution(layer) or layer.name not in bits_of:
            return copied(layer)
        convolutions[layer.name] = DualRegionConvolution(
            bits=bits_of[layer.name],
            grid=settings.weight_grid,
            centre=kept.get(layer.name),
            **layer.get_config(),
        )
        return convolutions[layer.name]

    student = student_of(model, replace_layer=replace_layer, transform=transform, read=read)
    start_bounds(convolutions, settings.weight_start, bits=settings.bits)
    return OutlierStudent(student, settings, quantizers, watched, convolutions, reads)


def calibrated(
    student: OutlierStudent, teacher, *, batches: Sequence[np.ndarray], unit: float = PIXEL_RANGE
) -> OutlierStudent:
    """Set regions by what the float network shows, and find the layers' sensitivities.

    Args:
        student: Whose quantizers are set.
        teacher: The float network that it was made of.
        batches: Each float32 (N, h, w, 3) in 0..1.
        unit: See `sensitivity.sensitivities`.

    Returns:
        The same student with its sensitivities; where its weights were to start as is better, its
        settings name what was taken.

    Raises:
        CalibrationError: There are no batches.
    """
    if not len(batches):
        raise CalibrationError("expected pictures to calibrate with, found none; give some")
    features = feature_points(teacher)
    names = sorted({*student.watched.values(), *student.reads.values(), *features})
    regions: dict[str, Regions] = {}
    spreads: dict[str, list[float]] = {name: [] for name in names}
    for tensors in tensors_of(teacher, names, batches=batches):
        for name, values in zip(names, tensors):
            spreads[name].append(spread(values))
            if name in regions:
                after = regions[name].after(values, break_points=student.settings.break_points)
                regions[name] = after
            else:
                regions[name] = regions_of(values)
    student.set_regions({name: regions[source].ordered for name, source in student.watched.items()})
    means = {name: float(np.mean(found)) for name, found in spreads.items()}
    weighed = Sensitivities(
        sensitivities({name: means[name] for name in features}, unit=unit) if features else {},
        sensitivities({n: means[source] for n, source in student.reads.items()}, unit=unit),
    )
    made = replace(student, sensitivities=weighed)
    if student.settings.weight_start != BETTER:
        return made
    return with_better_start(made, teacher, pictures=np.asarray(batches[0], np.float32))
