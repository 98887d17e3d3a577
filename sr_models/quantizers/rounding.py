"""Rounding that gradients pass through."""

from __future__ import annotations

import tensorflow as tf


def straight_through_round(x):
    """The nearest integers, ties to the even one, with the gradient of the identity.

    The straight-through estimator of Bengio et al. (arXiv 1308.3432). PyTorch, in which the
    published quantizers were written, rounds ties to even as well.
    """
    return x + tf.stop_gradient(tf.round(x) - x)
