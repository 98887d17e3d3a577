"""DFSQ-static: each channel normalized by what calibration shows, in uniform int8.

arXiv 2305.05888 normalizes each channel by the picture at hand and moves it to points of its own.
Neither has a place in a file of int8: statistics of one picture are no constants, and at eight bits
the points are worse than a uniform grid (`sr_models.published.dfsq`). What serves is the
normalization: frozen scales, folded exactly into the convolutions around a tensor
(`sr_models.published.channel_scales`), so that every channel uses the tensor's whole grid.
"""

from __future__ import annotations

import numpy as np

from export.methods.equalize import with_room
from export.quantizing.quantized_network import Evidence, QuantizedNetwork, clone
from export.quantizing.registry import register_method
from sr_models.published.channel_scales import with_static_scales
from sr_models.published.dfsq import weight_codes
from sr_models.published.sites import body_sites
from sr_models.quantization.weight_grids import with_weight_scales

PICTURES = 64
BATCH = 8


def with_dfsq_weights(model, *, bits: int):
    """A copy whose body has DFSQ's kernels of 4 or 6 bits, exactly, as int8 codes of their steps.

    Args:
        model: Float functional network.
        bits: Width; at 8 bits a code may leave -127..127, and the kernel stays as it is there.
    """
    copy, scales = clone(model), {}
    for site in body_sites(copy):
        layer = copy.get_layer(site.name)
        kernel, *rest = layer.get_weights()
        codes, step = weight_codes(kernel, bits=bits)
        if np.abs(codes).max() > 127 or not (step > 0.0).all():
            continue
        layer.set_weights([(codes * step).astype(np.float32), *rest])
        scales[site.name] = step
    return with_weight_scales(copy, scales)


def _statically_scaled(network: QuantizedNetwork, evidence: Evidence):
    stack = evidence.stack(PICTURES)
    batches = [stack[i : i + BATCH] for i in range(0, len(stack), BATCH)]
    model = with_static_scales(network.model, batches=batches)
    return model, with_room(model, evidence)


@register_method("dfsq-static", stage="network", source="arXiv 2305.05888", alone=True)
def dfsq_static(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """DFSQ's normalization of channels, frozen and folded into the weights, on a uniform grid."""
    return QuantizedNetwork(*_statically_scaled(network, evidence))


def _with_narrow_weights(network: QuantizedNetwork, evidence: Evidence, bits: int):
    model, ranges = _statically_scaled(network, evidence)
    return QuantizedNetwork(with_dfsq_weights(model, bits=bits), ranges)


@register_method("dfsq-static-w4", stage="network", source="arXiv 2305.05888", alone=True)
def dfsq_static_w4(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """The same with DFSQ's own weights of 4 bits in the body, exactly."""
    return _with_narrow_weights(network, evidence, 4)


@register_method("dfsq-static-w6", stage="network", source="arXiv 2305.05888", alone=True)
def dfsq_static_w6(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """The same with DFSQ's own weights of 6 bits in the body, exactly."""
    return _with_narrow_weights(network, evidence, 6)
