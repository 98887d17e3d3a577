"""Frozen graphs of TensorFlow 1 as people left them, built by operators with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
FREE = (None, None, None, 3)


class Layers:
    """Layers with channels first or last, as TensorFlow 1 wrote them out.

    Attributes:
        order: `"NCHW"` or `"NHWC"`.
        axis: That of channels.
    """

    def __init__(self, order: str = "NHWC", *, seed: int = 0):
        self.order, self.axis = order, order.index("C")
        self.rng = np.random.default_rng(seed)

    def drawn(self, *shape: int, spread: float = 0.1) -> np.ndarray:
        return self.rng.normal(0.0, spread, shape).astype(np.float32)

    def conv(self, x, outputs: int, name: str, *, size: int = 3):
        """A convolution with a bias."""
        inputs = x.shape[self.axis]
        kernel = self.drawn(size, size, inputs, outputs, spread=(size**2 * inputs) ** -0.5)
        with tf.name_scope(name):
            y = tf.nn.conv2d(x, kernel, 1, "SAME", data_format=self.order)
            return tf.nn.bias_add(y, self.drawn(outputs), data_format=self.order)

    def prelu(self, x, name: str):
        """A PReLU spelt out as Relu, Abs, Sub, Mul and Add."""
        channels = x.shape[self.axis]
        slope = self.rng.uniform(0.0, 0.4, channels).astype(np.float32)
        slope = slope.reshape(-1, 1, 1) if self.order == "NCHW" else slope
        with tf.name_scope(name):
            return tf.nn.relu(x) + slope * (x - tf.abs(x)) * 0.5

    def normalized(self, x):
        """A batch normalization with its means."""
        channels = x.shape[self.axis]
        ones, spread = self.rng.uniform(0.5, 1.5, (2, channels)).astype(np.float32)
        shifts = self.drawn(2, channels)
        y, *_ = v1.nn.fused_batch_norm(
            x, ones, shifts[0], shifts[1], spread, is_training=False, data_format=self.order
        )
        return y

    def grown(self, x, outputs: int, scale: int):
        """A transposed convolution whose output shape is computed from the picture's."""
        inputs, sizes = x.shape[self.axis], v1.shape(x)
        kernel = self.drawn(scale, scale, outputs, inputs, spread=inputs**-0.5)
        rows, columns = (
            ((sizes[i] * scale) for i in (2, 3)[:2])
            if self.axis == 1
            else (sizes[i] * scale for i in (1, 2))
        )
        shape = [sizes[0], outputs, rows, columns]
        shape = shape if self.axis == 1 else [sizes[0], rows, columns, outputs]
        strides = [1, 1, scale, scale] if self.axis == 1 else [1, scale, scale, 1]
        return v1.nn.conv2d_transpose(
            x, kernel, tf.stack(shape), strides, "SAME", data_format=self.order
        )


def iterator(shape=FREE):
    """What an iterator over pictures gives, which is no placeholder."""
    made = v1.data.Iterator.from_structure((tf.float32,), (tf.TensorShape(shape),))
    return made.get_next()[0]


def esrgan_like(order: str = "NCHW", *, scale: int = 2):
    """Residual blocks with spelt-out PReLUs from an iterator to `NCHW_output`."""
    layers = Layers(order)
    x = iterator()
    y = tf.transpose(x, (0, 3, 1, 2)) if order == "NCHW" else x
    y = head = layers.prelu(layers.conv(y, 6, "head"), "head_prelu")
    inner = layers.prelu(layers.conv(y, 6, "body/first"), "body/prelu")
    y = y + 0.2 * layers.normalized(layers.conv(inner, 6, "body/second"))
    y = tf.concat([y, head], layers.axis)
    y = layers.conv(y, 3 * scale**2, "up")
    y = tf.nn.depth_to_space(y, scale, data_format=order)
    return tf.identity(tf.clip_by_value(y, 0.0, 1.0), name=f"{order}_output")


def graph_of(build) -> v1.GraphDef:
    """The graph that a function builds."""
    with tf.Graph().as_default() as graph:
        build()
    return graph.as_graph_def()


def write_graph(build, path: Path) -> Path:
    """Write it as a `.pb` file; the path."""
    path.write_bytes(graph_of(build).SerializeToString())
    return path
