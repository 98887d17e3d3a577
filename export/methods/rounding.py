"""Weights rounded so that each layer's output changes least, layer after layer.

The objective is that of Nagel et al., "Up or Down? Adaptive Rounding for Post-Training
Quantization" (AdaRound), ICML 2020 (arXiv 2004.10568), sections 3.2 and 3.3: the squared error of a
layer's output on unlabelled data, with the inputs that the quantized layers before it give and the
outputs of the float layer (equation 25 there, without the activation). There it is relaxed and
solved by gradient descent. Here it is solved as the quadratic problem over integers that it is, by
coordinate descent (QuantEase, Behdin et al., arXiv 2309.01885, algorithm 1), which needs no step
size and seconds instead of minutes, and may move a code by more than one.

Before rounding, the float weights are fitted to the quantized inputs by ridge regression, so that a
layer makes good for the noise of those before it; afterwards the bias takes up what is left of the
mean.
"""

from __future__ import annotations

import numpy as np

from export.methods.layer_inputs import LayerInputs, convolutions, draw_places
from export.methods.quantized_network import Evidence, QuantizedNetwork, clone
from export.methods.registry import register_method
from sr_models.int8.simulator import LARGEST_WEIGHT_CODE, simulate

PICTURES = 32
RIDGE = 1e-2
"""Weight of staying at the trained weights, relative to the inputs' mean square."""
DAMPING = 1e-3
"""The same for rounding, so that inputs never seen are not rounded at will."""
SWEEPS = 30


def round_codes(weights: np.ndarray, moments: np.ndarray, *, sweeps: int = SWEEPS) -> np.ndarray:
    """Integer codes whose weights give nearly the same output.

    Minimizes e' M e for each output channel, where e = codes * scale - weights, one code at a time
    until nothing improves. The largest weight of each channel stays at its outermost code, so that
    a converter finds the same scale.

    Args:
        weights: float64 (K, C), a kernel as a matrix.
        moments: float64 (K, K), second moments of the inputs, positive definite.
        sweeps: Most passes over all codes.

    Returns:
        float64 (K, C), whole numbers of -127..127.
    """
    scales = _scales(weights)
    codes = np.clip(np.rint(weights / scales), -LARGEST_WEIGHT_CODE, LARGEST_WEIGHT_CODE)
    extreme = np.abs(weights).argmax(axis=0)
    diagonal = np.diag(moments)
    pull = moments @ (codes * scales - weights)
    for _ in range(sweeps):
        changed = False
        for k in np.argsort(-diagonal):
            error = codes[k] * scales - weights[k]
            wanted = (weights[k] + error - pull[k] / diagonal[k]) / scales
            best = np.clip(np.rint(wanted), -LARGEST_WEIGHT_CODE, LARGEST_WEIGHT_CODE)
            best = np.where(extreme == k, codes[k], best)
            step = (best - codes[k]) * scales
            if step.any():
                pull += np.outer(moments[:, k], step)
                codes[k], changed = best, True
        if not changed:
            break
    return codes


def _scales(weights: np.ndarray) -> np.ndarray:
    scales = np.abs(weights).max(axis=0) / LARGEST_WEIGHT_CODE
    return np.where(scales > 0.0, scales, 1.0)


def fit_layer(
    kernel: np.ndarray, found: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The rounded kernel of one group, and what the bias must take up.

    Args:
        kernel: float64 (K, C), trained.
        found: float64 (N, K), inputs that the quantized network gives.
        target: float64 (N, C), products that the float network gives.

    Returns:
        float64 (K, C) on its int8 grid, and float64 (C,) to be added to the bias.
    """
    means, target_means = found.mean(axis=0), target.mean(axis=0)
    centred = found - means
    moments = centred.T @ centred / len(centred)
    # A constant input tells nothing; without it no direction would hold the weights.
    level = max(float(np.trace(moments)) / len(moments), 1e-12)
    identity = level * np.eye(len(moments))
    missed = centred.T @ (target - target_means - centred @ kernel) / len(centred)
    fitted = kernel + np.linalg.solve(moments + RIDGE * identity, missed)
    codes = round_codes(fitted, moments + DAMPING * identity)
    rounded = codes * _scales(fitted)
    return rounded, target_means - means @ rounded


@register_method(
    "adaround", stage="weights",
    source="Nagel et al. 2020, arXiv 2004.10568; solver of Behdin et al. 2023, arXiv 2309.01885",
)  # fmt: skip
def rounded(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Weights rounded by what they do to each layer's output, not one by one."""
    copy = clone(network.model)
    pictures = evidence.stack(PICTURES)
    places = draw_places(pictures, seed=evidence.seed)
    simulated = LayerInputs(simulate(copy, network.ranges), pictures, places)
    names = convolutions(copy)
    targets = LayerInputs(network.model, pictures, places).products(names)
    for name in names:
        layer = copy.get_layer(name)
        weights = layer.get_weights()
        found = simulated.rows(name)
        width, reads = weights[0].shape[-1] // layer.groups, weights[0].shape[2]
        for group in range(layer.groups):
            outputs = slice(group * width, (group + 1) * width)
            taken = found[:, :, group * reads : (group + 1) * reads]
            kernel = weights[0][..., outputs].astype(np.float64)
            rounded_kernel, moved = fit_layer(
                kernel.reshape(-1, width), taken.reshape(len(taken), -1),
                targets[name][:, outputs].astype(np.float64),
            )  # fmt: skip
            weights[0][..., outputs] = rounded_kernel.reshape(kernel.shape)
            if layer.use_bias:
                weights[1][outputs] += moved
        layer.set_weights(weights)
    return QuantizedNetwork(copy, network.ranges)
