"""A float network as its PAMS student: which tensors are quantized, and what alphas start with.

Three placements of the activation quantizers in a residual block, since the sources differ:

| placement | shortcut | first convolution reads | inner convolutions read | branch, when added |
|---|---|---|---|---|
| `"figure"` | float | its own quantizer | their own quantizers | float |
| `"code"` | quantized | float | quantized | quantized |
| `"integer"` | the same tensor as the first convolution | quantized | quantized | quantized |

`"figure"` is that of the paper's figure (github:colorjam/PAMS, img/pams.png), `"code"` that of the
released model/edsr.py, whose users report the difference in issue 14, and `"integer"` that of
github:Cheeun/CADyQ (model/edsr_pams.py). The last one is our default: there each tensor has one
grid, whoever reads it, which is what a file of integers can hold. We go one step further than CADyQ
and let the long skip read the quantized tensor too.

RDN, whose blocks are dense, is in the released code only (model/rdn.py), so `"code"` is what is
published of it:

- What a block reads is quantized once, for convolutions, concatenations and shortcut alike.
- Each concatenation in a block is quantized, and the next one joins the quantized values, so
  features of early convolutions are rounded again and again. The branch that is added is not.
- Both convolutions of the global fusion have quantized weights. What the first one reads is
  quantized, what the second one reads is not.

In the other placements each of these convolutions reads a quantized tensor.

In networks without blocks (ABPN, XLSR), which PAMS does not treat, every convolution of the body
reads a quantized tensor; that is ours. So is `edges`: head, tail and what lies between them
quantized as well, as a full-integer file needs it. Input and output get no alpha: their codes are
the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sr_models.ground.errors import CalibrationError, OptionError, require_known
from sr_models.networks.graph import points, tensors_of
from sr_models.published.pams import (
    LEAST_ALPHA,
    PamsActivation,
    PamsConvolution,
    activation_statistic,
    averaged_statistic,
    steps_of,
)
from sr_models.published.settings import PamsSettings
from sr_models.published.sites import (
    QUANTIZED,
    body_sites,
    convolution_sites,
    is_rectified,
    quantized_tensors,
    residual_blocks,
)
from sr_models.published.student import centres, copied, student_of

STARTS = ("mean", "last", "ema", "largest")
"""How alphas start: the mean statistic of all batches (ours: the least noise), that of the last
batch (released code, whose first epoch sets alphas anew in each), its moving average from the
first batch on (paper), or the greatest magnitude
of all (ours), with which nothing is clipped: the mean of small patches' maxima cuts white off."""


@dataclass(frozen=True)
class AlphaRange:
    """What a learned alpha says about the tensor of an integer file.

    Attributes:
        minimum: Value of the lowest code.
        maximum: Value of the highest code: alpha.
        narrow: Whether the grid is symmetric, so that the lowest code of two's complement is
            unused.
        scale: Value of one step.
        zero_point: Code of 0 in a signed integer of `bits` bits.
        bits: Width.
    """

    minimum: float
    maximum: float
    narrow: bool
    scale: float
    zero_point: int
    bits: int

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def alpha_range(alpha: float, *, bits: int, unsigned: bool = False) -> AlphaRange:
    """The grid that `alpha` stands for: at 8 bits scale alpha / 127 and zero point 0."""
    scale = alpha / steps_of(bits, unsigned=unsigned)
    if unsigned:
        return AlphaRange(0.0, alpha, False, scale, -(2 ** (bits - 1)), bits)
    return AlphaRange(-alpha, alpha, True, scale, 0, bits)


@dataclass(frozen=True)
class PamsStudent:
    """A network being quantized by PAMS.

    Attributes:
        model: The student; float32 (N, H, W, 3) in and out as the teacher.
        settings: How it is quantized.
        quantizers: Activation quantizers by the point they stand on, or by `consumer<source` where
            they stand before one consumer only, or before a dense block, whose exit that is.
        watched: The teacher's point whose statistic each of them starts with, by the same keys.
    """

    model: Any
    settings: PamsSettings
    quantizers: dict[str, PamsActivation]
    watched: dict[str, str]

    @property
    def alphas(self) -> list:
        """The learned alphas, which train at a rate of their own."""
        return [layer.alpha for layer in self.quantizers.values()]

    @property
    def weights(self) -> list:
        """All other variables that train."""
        own = {id(alpha) for alpha in self.alphas}
        return [v for v in self.model.trainable_variables if id(v) not in own]

    def warm_up(self, active: bool) -> None:
        """Let alphas follow the statistic of each batch, or end that."""
        for layer in self.quantizers.values():
            layer.warm_up.assign(float(active))

    def ranges(self) -> dict[str, AlphaRange]:
        """The grid of each quantized tensor by the name of the teacher's point.

        Raises:
            OptionError: The placement quantizes before consumers, where no tensor has one grid.
        """
        if self.settings.placement != "integer":
            raise OptionError(
                "expected the placement 'integer' to write alphas into a file, found "
                f"{self.settings.placement!r}; train again with 'integer'"
            )
        return {
            name: alpha_range(float(layer.alpha), bits=layer.bits, unsigned=layer.unsigned)
            for name, layer in self.quantizers.items()
        }


@dataclass(frozen=True)
class _Places:
    """Where activations are quantized.

    Attributes:
        tensors: Point -> bits, where all consumers read the quantized values.
        reads: (consumer, source) -> key of the quantizer between them, which several may share.
    """

    tensors: dict[str, int]
    reads: dict[tuple[str, str], str]


def _between(pairs) -> dict[tuple[str, str], str]:
    return {(consumer, source): f"{consumer}<{source}" for consumer, source in pairs}


def _places(model, settings: PamsSettings) -> _Places:
    if settings.placement == "integer":
        edge_bits = settings.edge_bits if settings.edges else None
        return _Places(quantized_tensors(model, bits=settings.bits, edge_bits=edge_bits), {})
    sites = body_sites(model)
    reads = _between((site.name, site.reads) for site in sites)
    if settings.placement == "figure":
        return _Places({}, reads)
    tensors: dict[str, int] = {}
    for block in residual_blocks(model):
        shortcut = (block.exit, block.entry)
        if block.joins:
            readers = (*block.convolutions, *block.joins, block.exit)
            tensors |= dict.fromkeys(block.joins, settings.bits)
            reads |= dict.fromkeys(((name, block.entry) for name in readers), "<".join(shortcut))
        else:
            for name in block.convolutions:
                reads.pop((name, block.entry), None)
            reads |= _between([shortcut, (block.exit, block.branch)])
    fused = [site for site in sites if site.role == "fusion"]
    names = {site.name for site in fused}
    left = {(site.name, site.reads) for site in fused if site.reads in names}
    kept = {pair: key for pair, key in reads.items() if pair[1] not in tensors and pair not in left}
    return _Places(tensors, kept)


def pams_student(model, settings: PamsSettings, *, centred: bool = False) -> PamsStudent:
    """The PAMS student of a float network, with the network's weights.

    The released code starts the student from scratch, with which its users miss the published
    figures (github:colorjam/PAMS, issue 15); so it starts from its teacher here.

    Args:
        model: Float functional network: the teacher, which stays as it is.
        settings: How it is quantized.
        centred: Whether a quantized head keeps the mean colour (`sr_models.published.student`);
            weights that training left have that in their biases.

    Raises:
        OptionError: The network has no body to quantize.
    """
    graph, kept = points(model), centres(model) if centred else {}
    roles = {site.name: site.role for site in convolution_sites(model)}
    if not settings.edges:
        body_sites(model)
    quantizers: dict[str, PamsActivation] = {}
    watched: dict[str, str] = {}

    def quantizer(key: str, source: str, bits: int):
        label = key.replace(":", "_").replace("<", "_reads_")
        unsigned = settings.unsigned and is_rectified(graph, source)
        watched[key] = source
        quantizers[key] = PamsActivation(bits, unsigned, name=f"{label}_pams")
        return quantizers[key]

    places = _places(model, settings)
    shared: dict[str, Any] = {}

    def transform(name, tensor):
        bits = places.tensors.get(name)
        return tensor if bits is None else quantizer(name, name, bits)(tensor)

    def read(consumer, source, tensor):
        key = places.reads.get((consumer, source))
        if key is None:
            return tensor
        if key not in shared:
            shared[key] = quantizer(key, source, settings.bits)(tensor)
        return shared[key]

    def replace_layer(layer):
        role = roles.get(layer.name)
        if role is None or not (settings.edges or role in QUANTIZED):
            return copied(layer)
        bits = settings.bits if role in QUANTIZED else settings.edge_bits
        return PamsConvolution(
            bits=bits,
            per_channel=settings.per_channel,
            centre=kept.get(layer.name),
            **layer.get_config(),
        )

    student = student_of(model, replace_layer=replace_layer, transform=transform, read=read)
    return PamsStudent(student, settings, quantizers, watched)


def start_alphas(
    student: PamsStudent, teacher, *, pictures: Sequence[np.ndarray], start: str = "mean"
) -> None:
    """Set each alpha to what the float network shows on batches of pictures.

    Args:
        student: Whose alphas are set.
        teacher: The float network that it was made of.
        pictures: Batches, each float32 (N, h, w, 3) in 0..1.
        start: One of `STARTS`.

    Raises:
        CalibrationError: There are no pictures.
        OptionError: No such start.
    """
    require_known("a start", start, STARTS)
    if not len(pictures):
        raise CalibrationError("expected pictures to start alphas with, found none; give some")
    names = sorted(set(student.watched.values()))
    found: dict[str, float] = {}
    for count, tensors in enumerate(tensors_of(teacher, names, batches=pictures), start=1):
        for name, tensor in zip(names, tensors):
            largest = start == "largest"
            statistic = float(np.abs(tensor).max() if largest else activation_statistic(tensor))
            before = found.get(name, statistic)
            found[name] = {
                "mean": before + (statistic - before) / count,
                "last": statistic,
                "ema": averaged_statistic(before, statistic),
                "largest": max(before, statistic),
            }[start]
    for key, layer in student.quantizers.items():
        layer.alpha.assign(max(found[student.watched[key]], LEAST_ALPHA))
