"""Weights rounded so that each layer's output changes least, layer after layer.

The objective is that of Nagel et al., "Up or Down? Adaptive Rounding for Post-Training
Quantization" (AdaRound), ICML 2020 (arXiv 2004.10568), sections 3.2 and 3.3: the squared error of a
layer's output on unlabelled data, with the inputs that the quantized layers before it give and the
outputs of the float layer (equation 25 there, without the activation). There it is relaxed and
solved by gradient descent. Here it is solved as the quadratic problem over integers that it is:
code after code, the error of each passed on to those that follow (GPTQ, Frantar et al., arXiv
2210.17323, section 3), on the best of a few grids, and then by coordinate descent (QuantEase,
Behdin et al., arXiv 2309.01885, algorithm 1). That needs no step size and seconds instead of
minutes, and may move a code by more than one.

A network's brightness and colours hang on sums over whole kernels, so pictures are taken a second
time in other colours: calibration pictures are often grey, and what grey does not show is rounded
at will.

Before rounding, the float weights are fitted to the quantized inputs by ridge regression, so that a
layer makes good for the noise of those before it; afterwards the bias takes up what is left of the
mean.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from export.quantizing.layer_inputs import LayerInputs, convolutions, draw_places
from export.quantizing.quantized_network import Evidence, QuantizedNetwork, clone
from export.quantizing.registry import register_method
from sr_models.ground.pictures import unit
from sr_models.quantization.simulator import LARGEST_WEIGHT_CODE, simulate

PICTURES = 32
RIDGE = 1e-2
"""Weight of staying at the trained weights, relative to the inputs' mean square."""
DAMPING = 1e-3
"""The same for rounding, so that inputs never seen are not rounded at will."""
SWEEPS = 30
ORDERS = 8
WORK = 4e7
"""Orders times inputs squared times outputs, at most: large kernels get fewer orders."""
LOOSENESS = 1.0
"""Standard deviation of the logarithm of what further orders multiply energies with."""
BLOCK = 64
"""Inputs after which the rest hears of what has moved."""
LEAST_CONTRAST = 0.3
STRETCHES = (1.0, 0.9985, 1.0015, 0.997, 1.003)
"""Grids tried for each channel, as factors on its largest weight over 127."""


def channel_errors(error: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """e' M e of each output channel: float64 (K, C), (K, K) -> (C,)."""
    return np.einsum("kc,kc->c", error, moments @ error)


class _Rounding:
    """The search for the codes of one kernel. Output channels do not know of each other.

    Updates of what lies ahead are gathered over a block of inputs and made by one product of
    matrices (Frantar et al., section 3.3, "lazy batch-updates").

    Args:
        weights: float64 (K, C), a kernel as a matrix.
        moments: float64 (K, K), second moments of the inputs, positive definite.
        scales: float64 (C,), steps of the codes.
    """

    def __init__(self, weights: np.ndarray, moments: np.ndarray, scales: np.ndarray):
        self.weights, self.moments, self.scales = weights, moments, scales
        self.extreme = np.abs(weights).argmax(axis=0)
        sign = np.sign(np.take_along_axis(weights, self.extreme[None], axis=0)[0])
        self.outermost = LARGEST_WEIGHT_CODE * sign

    def rounded(self, k: int, wanted: np.ndarray, channels=slice(None)) -> np.ndarray:
        """The codes nearest to `wanted` that input k may have in those channels."""
        codes = np.clip(np.rint(wanted), -LARGEST_WEIGHT_CODE, LARGEST_WEIGHT_CODE)
        return np.where(self.extreme[channels] == k, self.outermost[channels], codes)

    def cost(self, codes: np.ndarray) -> np.ndarray:
        """e' M e of each channel: float64 (C,)."""
        return channel_errors(codes * self.scales - self.weights, self.moments)

    def nearest(self) -> np.ndarray:
        """Every weight rounded for itself: float64 (K, C)."""
        return np.stack([self.rounded(k, row) for k, row in enumerate(self.weights / self.scales)])

    def in_turn(self, orders: np.ndarray) -> np.ndarray:
        """Each code rounded, and its error passed on to those that follow in an order.

        Args:
            orders: int (O, K), orders of the inputs; they are gone through side by side.

        Returns:
            float64 (O, K, C), whole numbers.
        """
        inverses = np.linalg.inv(self.moments[orders[:, :, None], orders[:, None, :]])
        spreads = np.linalg.cholesky(inverses).swapaxes(1, 2)
        wanted = (self.weights / self.scales)[orders]
        codes = np.empty_like(wanted)
        each, count = np.arange(len(orders)), orders.shape[1]
        for first in range(0, count, BLOCK):
            last = min(first + BLOCK, count)
            missed = np.empty((len(orders), last - first, wanted.shape[2]))
            for i in range(first, last):
                k = orders[:, i]
                codes[each, k] = self.rounded(k[:, None], wanted[:, i])
                missed[:, i - first] = (wanted[:, i] - codes[each, k]) / spreads[:, i, i, None]
                passed = spreads[:, i, i + 1 : last, None] * missed[:, i - first, None]
                wanted[:, i + 1 : last] -= passed
            for rest, spread, error in zip(wanted[:, last:], spreads, missed):
                rest -= spread[first:last, last:].T @ error
        return codes

    def one_by_one(self, codes: np.ndarray, order: np.ndarray, *, sweeps: int) -> np.ndarray:
        """Coordinate descent: every code in turn is moved to where the error is least.

        A channel that a whole sweep leaves as it is has arrived, and is not looked at again.
        """
        codes, moving = codes.copy(), np.arange(codes.shape[1])
        pull = self.moments @ (codes * self.scales - self.weights)
        blocks = [order[i : i + BLOCK] for i in range(0, len(order), BLOCK)]
        for _ in range(sweeps):
            changed = np.zeros(len(moving), bool)
            for block in blocks:
                moved = self._sweep(codes, pull[block], block, moving)
                steps = moved.any(axis=0)
                if steps.any():
                    pull[:, steps] += self.moments[:, block] @ moved[:, steps]
                    changed |= steps
            moving, pull = moving[changed], pull[:, changed]
            if not len(moving):
                break
        return codes

    def _sweep(self, codes, near, block, moving) -> np.ndarray:
        """Moves the codes of a block in place: by how much each weight moved, (block, moving)."""
        square = self.moments[np.ix_(block, block)]
        scales, moved = self.scales[moving], np.zeros_like(near)
        for i, k in enumerate(block):
            now = codes[k, moving]
            best = self.rounded(k, now - near[i] / (square[i, i] * scales), moving)
            moved[i] = (best - now) * scales
            if moved[i].any():
                near += np.outer(square[:, i], moved[i])
                codes[k, moving] = best
        return moved


def round_codes(
    weights: np.ndarray,
    moments: np.ndarray,
    scales: np.ndarray,
    *,
    sweeps: int = SWEEPS,
    orders: int = ORDERS,
) -> np.ndarray:
    """Integer codes whose weights give nearly the same output.

    Makes e' M e small for each output channel, where e = codes * scales - weights: first one code
    after the other, each rounding error being made good by the weights that are still free; then
    one code at a time until nothing improves. What is found depends on the order, so that several
    are tried. The largest weight of each channel has the outermost
    code, so that a converter finds the same scale.

    Args:
        weights: float64 (K, C), a kernel as a matrix.
        moments: float64 (K, K), second moments of the inputs, positive definite.
        scales: float64 (C,), steps of the codes.
        sweeps: Most passes over all codes.
        orders: Orders that are tried.

    Returns:
        float64 (K, C), whole numbers of -127..127.
    """
    rounding = _Rounding(weights, moments, scales)
    best = rounding.nearest()
    least = rounding.cost(best)
    tried_orders = _orders(np.diag(moments), orders)
    for order, codes in zip(tried_orders, rounding.in_turn(np.stack(tried_orders))):
        codes = np.where(rounding.cost(codes) <= least, codes, best)
        codes = rounding.one_by_one(codes, order, sweeps=sweeps)
        tried = rounding.cost(codes)
        best, least = np.where(tried < least, codes, best), np.minimum(tried, least)
    return best


def _orders(energies: np.ndarray, count: int) -> list[np.ndarray]:
    """The inputs of most energy first, and further orders that are much like it."""
    rng = np.random.default_rng(9)
    loose = [np.exp(rng.normal(0.0, LOOSENESS, len(energies))) for _ in range(count - 1)]
    return [np.argsort(-energies * factor, kind="stable") for factor in (1.0, *loose)]


def choose_codes(weights: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Weights on the best of a few grids: float64 (K, C).

    The scale of a channel may be a little wider or narrower than its largest weight asks for, at
    the cost of half a step of that weight.
    """
    count, grids = weights.shape[1], len(STRETCHES)
    scales = np.concatenate([_scales(weights) * stretch for stretch in STRETCHES])
    wanted = np.tile(weights, grids)
    orders = int(np.clip(WORK // (len(moments) ** 2 * count), 1, ORDERS))
    found = round_codes(wanted, moments, scales, orders=orders) * scales
    cost = channel_errors(found - wanted, moments).reshape(grids, count)
    best = cost.argmin(axis=0) * count + np.arange(count)
    return found[:, best]


def in_more_colours(pictures: np.ndarray, *, seed: int) -> np.ndarray:
    """The pictures, and each once more with its channels exchanged, darkened and lifted at random.

    Args:
        pictures: float32 (N, h, w, C) in 0..1, steps of 1/255.
        seed: Seed of the colours.

    Returns:
        float32 (2 N, h, w, C) in 0..1, steps of 1/255.
    """
    rng = np.random.default_rng([seed, 7])
    varied = []
    for picture in pictures:
        contrast = rng.uniform(LEAST_CONTRAST, 1.0, picture.shape[-1])
        lift = rng.uniform(0.0, 1.0, picture.shape[-1]) * (1.0 - contrast)
        varied.append(picture[..., rng.permutation(picture.shape[-1])] * contrast + lift)
    varied = unit(np.rint(255.0 * np.stack(varied)))
    return np.concatenate([pictures, varied])


def _scales(weights: np.ndarray) -> np.ndarray:
    scales = np.abs(weights).max(axis=0) / LARGEST_WEIGHT_CODE
    return np.where(scales > 0.0, scales, 1.0)


def fit_layer(
    kernel: np.ndarray, found: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The rounded kernel of one group, and what the bias must take up.

    Args:
        kernel: float64 (K, C), trained.
        found: float (N, K), inputs that the quantized network gives.
        target: float (N, C), products that the float network gives.

    Returns:
        float64 (K, C) on its int8 grid, and float64 (C,) to be added to the bias.
    """
    means, target_means = (tensor.mean(axis=0, dtype=np.float64) for tensor in (found, target))
    # The long sums are TensorFlow's, which shares them among cores that wait without spinning.
    # float32 suffices: what is damped by a thousandth needs no more digits.
    centred = tf.constant(found - means, tf.float32)
    missing = tf.constant(target - target_means, tf.float32) - centred @ np.float32(kernel)
    moments, missed = (
        tf.matmul(centred, other, transpose_a=True).numpy().astype(np.float64) / len(found)
        for other in (centred, missing)
    )
    # A constant input tells nothing; without it no direction would hold the weights.
    level = max(float(np.trace(moments)) / len(moments), 1e-12)
    identity = level * np.eye(len(moments))
    fitted = kernel + np.linalg.solve(moments + RIDGE * identity, missed)
    rounded = choose_codes(fitted, moments + DAMPING * identity)
    return rounded, target_means - means @ rounded


@register_method(
    "adaround",
    stage="weights",
    source="Nagel et al. 2020, arXiv 2004.10568; solver of Frantar et al. 2022, arXiv 2210.17323",
)
def rounded(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Weights rounded by what they do to each layer's output, not one by one."""
    copy = clone(network.model)
    pictures = in_more_colours(evidence.stack(PICTURES), seed=evidence.seed)
    places = draw_places(pictures, seed=evidence.seed)
    simulated = LayerInputs(simulate(copy, network.ranges), pictures, places)
    names = convolutions(copy)
    targets = LayerInputs(network.model, pictures, places).products(names)
    for done, name in enumerate(names, start=1):
        layer = copy.get_layer(name)
        weights = layer.get_weights()
        found = simulated.rows(name)
        width, reads = weights[0].shape[-1] // layer.groups, weights[0].shape[2]
        for group in range(layer.groups):
            outputs = slice(group * width, (group + 1) * width)
            taken = found[:, :, group * reads : (group + 1) * reads]
            kernel = weights[0][..., outputs].astype(np.float64)
            rounded_kernel, moved = fit_layer(
                kernel.reshape(-1, width),
                taken.reshape(len(taken), -1),
                targets[name][:, outputs],
            )
            weights[0][..., outputs] = rounded_kernel.reshape(kernel.shape)
            if layer.use_bias:
                weights[1][outputs] += moved
        layer.set_weights(weights)
        evidence.on_progress(done, len(names))
    return QuantizedNetwork(copy, network.ranges)
