"""LeakyReLU where TensorFlow computes it rightly."""

from __future__ import annotations

import tensorflow as tf


def compute_leaky_relu_rightly() -> None:
    """Keep TensorFlow's graph optimizer from fusing operators, in this process from now on.

    With oneDNN, TensorFlow 2.21 fuses a convolution, its bias, an addition and a LeakyReLU into one
    operator that computes something else: a tf.function is off by as much as its values are large,
    the same layers called eagerly are right. Called where a network has a LeakyReLU, and not for
    every network, since sums are rounded otherwise when nothing is fused.
    """
    tf.config.optimizer.set_experimental_options({"remapping": False})
