"""Biases that put each channel's mean back where it was.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019
(arXiv 1906.04721), section 4.2, in the empirical form of its appendix D: the expected error of a
channel is measured on pictures and subtracted from the bias, layer after layer.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from export.quantizing.layer_inputs import LayerInputs, convolutions, draw_places
from export.quantizing.quantized_network import Evidence, QuantizedNetwork, clone
from export.quantizing.registry import register_method
from sr_models.quantization.simulator import quantized_kernel, simulate

PICTURES = 32


def mean_products(rows: np.ndarray, kernel: np.ndarray, *, groups: int) -> np.ndarray:
    """Mean of each channel's products: float64 (C,).

    Args:
        rows: float (N, height width, inputs), windows.
        kernel: (height, width, inputs / groups, C).
        groups: Groups of the convolution.
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    width, reads = kernel.shape[3] // groups, kernel.shape[2]
    flat = kernel.reshape(-1, reads, kernel.shape[3]).astype(np.float64)
    parts = []
    for group in range(groups):
        inputs = mean[:, group * reads : (group + 1) * reads]
        own = flat[..., group * width : (group + 1) * width]
        parts.append(np.einsum("ki,kic->c", inputs, own))
    return np.concatenate(parts)


@register_method("bias", stage="weights", source="Nagel et al. 2019, arXiv 1906.04721, section 4.2")
def corrected(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Biases that make good for the mean error of each channel."""
    copy = clone(network.model)
    pictures = evidence.stack(PICTURES)
    places = draw_places(pictures, seed=evidence.seed)
    simulated = LayerInputs(simulate(copy, network.ranges), pictures, places)
    names = [name for name in convolutions(copy) if copy.get_layer(name).use_bias]
    targets = LayerInputs(network.model, pictures, places).products(names)
    for name in names:
        layer = copy.get_layer(name)
        kernel, bias = layer.get_weights()
        rounded = quantized_kernel(tf.constant(kernel)).numpy()
        found = mean_products(simulated.rows(name), rounded, groups=layer.groups)
        layer.set_weights([kernel, bias + targets[name].mean(axis=0, dtype=np.float64) - found])
    return QuantizedNetwork(copy, network.ranges)
