"""PAMS's structured knowledge transfer: the student shall attend to the places its teacher does.

Li et al., arXiv 2011.04212, section "structured knowledge transfer"; formula and weights as in
github:colorjam/PAMS (utils/common.py, main.py): the mean over channels of the squared features, as
a vector normalized per sample; the mean of the squared difference of two such vectors.
"""

from __future__ import annotations

import tensorflow as tf

NORM_EPSILON = 1e-12


def attention_map(features):
    """float32 (N, H, W, C) -> (N, H W): where the energy of a sample's features lies, norm 1."""
    energy = tf.reduce_mean(tf.square(features), axis=-1)
    shape = tf.shape(energy)
    flat = tf.reshape(energy, (shape[0], shape[1] * shape[2]))
    # Squared, as TensorFlow bounds the sum of squares and PyTorch its root.
    return tf.math.l2_normalize(flat, axis=-1, epsilon=NORM_EPSILON**2)


def knowledge_transfer_loss(student, teacher):
    """How far two feature maps (N, H, W, C) differ in where their energy lies; a scalar.

    Their scale does not matter; the numbers of channels may differ. No gradient reaches the
    teacher's features.
    """
    difference = attention_map(student) - attention_map(tf.stop_gradient(teacher))
    return tf.reduce_mean(tf.square(difference))
