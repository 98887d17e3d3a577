"""Label-free fine-tuning: the simulated int8 network learns the float network's own output.

Knowledge distillation (Hinton et al., arXiv 1503.02531) on unlabelled low-resolution pictures,
through straight-through rounding (Bengio et al., arXiv 1308.3432), of weights, biases and, as in
"Trained Quantization Thresholds" (Jain et al., arXiv 1903.08066, section 3.3), the logarithms of
the ranges. No ground truth is needed, and the task is not trained anew: the target is what the
network gives already, saturated to black and white.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras

from export.quantizing.quantized_network import Evidence, QuantizedNetwork, clone
from export.quantizing.registry import register_method
from sr_models.ground.pictures import unit
from sr_models.networks.graph import with_split_groups
from sr_models.networks.memory import pictures_at_once
from sr_models.quantization.ranges import TensorRange, TensorRanges
from sr_models.quantization.simulator import quantized_kernel, simulate

STEPS = 400
BATCH_SIZE = 8
PATCH_SIZE = 48
LEARNING_RATE = 1e-4
HELD_OUT_SHARE = 8
BATCH = 8


class LearnedRange(tf_keras.layers.Layer):
    """A `FakeQuantization` whose ends are trained, each as a factor on where it started.

    A step of the optimizer thus moves a range by a share of itself, and zero always stays inside.
    """

    def __init__(self, start: TensorRange, **keywords):
        super().__init__(**keywords)
        self.start = start.with_zero
        self.logarithms = self.add_weight("logarithms", (2,), initializer="zeros")

    def call(self, inputs):
        low, high = tf.unstack(tf.exp(self.logarithms))
        return tf.quantization.fake_quant_with_min_max_vars(
            inputs,
            self.start.minimum * low,
            self.start.maximum * high,
            narrow_range=self.start.narrow,
        )

    @property
    def range(self) -> TensorRange:
        """Where the range stands now."""
        low, high = np.exp(self.logarithms.numpy()).tolist()
        return TensorRange(self.start.minimum * low, self.start.maximum * high, self.start.narrow)


def teach(model, pictures: np.ndarray) -> np.ndarray:
    """The float network's saturated output, float32 (N, h s, w s, 3)."""
    fast = with_split_groups(model)
    _, height, width, _ = pictures.shape
    step = pictures_at_once(model, height=height, width=width, most=BATCH)
    parts = [fast(pictures[i : i + step], training=False) for i in range(0, len(pictures), step)]
    return np.clip(np.concatenate([part.numpy() for part in parts]), 0.0, 1.0)


def draw_patches(pictures: np.ndarray, *, count: int, side: int, seed: int) -> np.ndarray:
    """Random square pieces, turned and mirrored: float32 (count, side, side, 3)."""
    rng = np.random.default_rng([seed, 3])
    side = min(side, *pictures.shape[1:3])
    patches = []
    for _ in range(count):
        y, x = (int(rng.integers(size - side + 1)) for size in pictures.shape[1:3])
        patch = pictures[rng.integers(len(pictures)), y : y + side, x : x + side]
        patch = np.rot90(patch, int(rng.integers(4)))
        patches.append(patch[:, ::-1] if rng.integers(2) else patch)
    return np.stack(patches)


def rate_at(step: int, *, steps: int, peak: float) -> float:
    """Half a cosine from `peak` to zero, after a short rise."""
    rise = min(1.0, (step + 1) / max(1.0, 0.05 * steps))
    return rise * peak * 0.5 * (1.0 + math.cos(math.pi * step / steps))


class Tuner:
    """Trains a simulated network to give what the float network gives."""

    def __init__(self, network: QuantizedNetwork, *, held: set[str]):
        self.model = clone(network.model)
        self.ranges = network.ranges
        self.learned: dict[str, LearnedRange] = {}
        self.simulated = simulate(
            self.model,
            network.ranges,
            quantizer=lambda name, value: None if name in held else self._learn(name, value),
        )
        self.optimizer = tf_keras.optimizers.Adam(LEARNING_RATE)
        self.optimizer.build(self.simulated.trainable_variables)
        self._step = tf.function(self._one_step)

    def _learn(self, name: str, value: TensorRange) -> LearnedRange:
        layer = LearnedRange(value, name=f"{name.replace(':', '_')}_range")
        return self.learned.setdefault(name, layer)

    def _one_step(self, low, high, rate):
        variables = self.simulated.trainable_variables
        with tf.GradientTape() as tape:
            error = self.error_of(low, high)
            # Of Adam's own kind only the small epsilon cares for size: 1 is a code.
            loss = 255.0**2 * error
        self.optimizer.learning_rate.assign(rate)
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return error

    def error_of(self, low, high):
        """Mean squared error of the simulation, outputs in 0..1."""
        return tf.reduce_mean(tf.square(self.simulated(low, training=True) - high))

    def train(
        self,
        low: np.ndarray,
        high: np.ndarray,
        *,
        steps: int,
        seed: int,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Go through random batches of patches and targets."""
        rng = np.random.default_rng([seed, 4])
        for step in range(steps):
            chosen = rng.choice(len(low), min(BATCH_SIZE, len(low)), replace=False)
            rate = rate_at(step, steps=steps, peak=LEARNING_RATE)
            self._step(
                tf.constant(low[chosen]), tf.constant(high[chosen]), tf.constant(rate, tf.float32)
            )
            on_progress(step + 1, steps)

    def result(self) -> QuantizedNetwork:
        """Weights put on their grid, with the ranges as they were learned."""
        for layer in self.model.layers:
            if type(layer) is tf_keras.layers.Conv2D and layer.trainable:
                kernel, *rest = layer.get_weights()
                layer.set_weights([quantized_kernel(tf.constant(kernel)).numpy(), *rest])
        found = {name: layer.range for name, layer in self.learned.items()}
        return QuantizedNetwork(self.model, self.ranges.replacing(found))


def simulated_error(network: QuantizedNetwork, *, pictures: np.ndarray, targets) -> float:
    """Mean squared error of a quantized network's output, in 0..1."""
    simulated = simulate(network.model, network.ranges)
    squares = [
        float(np.square(simulated(pictures[i : i + BATCH]).numpy() - targets[i : i + BATCH]).sum())
        for i in range(0, len(pictures), BATCH)
    ]
    return sum(squares) / targets.size


def fine_tune(
    network: QuantizedNetwork,
    evidence: Evidence,
    *,
    steps: int = STEPS,
    patches: int = 256,
    side: int = PATCH_SIZE,
) -> QuantizedNetwork:
    """A network nearer to the float one, or the network itself where training did not help.

    Some of the patches are held back to judge that.
    """
    pictures = unit(np.stack(evidence.pictures))
    low = draw_patches(pictures, count=patches, side=side, seed=evidence.seed)
    high = teach(network.model, low)
    held = max(1, patches // HELD_OUT_SHARE)
    pinned = set(evidence.pin(TensorRanges({}, ""), network.model))
    tuner = Tuner(network, held=pinned)
    tuner.train(
        low[held:], high[held:], steps=steps, seed=evidence.seed, on_progress=evidence.on_progress
    )
    tuned = tuner.result()
    before, after = (
        simulated_error(n, pictures=low[:held], targets=high[:held]) for n in (network, tuned)
    )
    return tuned if after < before else network


@register_method("tune", stage="tuning", source="Hinton et al. 2015, arXiv 1503.02531")
def tuned(network: QuantizedNetwork, evidence: Evidence) -> QuantizedNetwork:
    """Weights, biases and ranges trained on the float network's output."""
    return fine_tune(network, evidence)
