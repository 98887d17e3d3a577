"""QuickSRNet: plain 3x3 convolutions that start as the identity.

Berger et al., "QuickSRNet: Plain Single-Image Super-Resolution Architecture for Faster Inference on
Mobile Platforms", CVPR workshops 2023 (arXiv 2303.04336). Layer widths as in
github:quic/aimet-model-zoo (aimet_zoo_torch/quicksrnet/model/models.py): small, medium and large
have 22.9 K, 50.6 K and 415 K parameters at x2.

Published networks bound every activation to 0..1 (Hardtanh), a clip behind each convolution. Here
the body has ReLU, which the convolution swallows: what bounds an int8 tensor above is its grid,
where its range ends. The bound at the end is left to the output tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import tf_keras

from sr_models.networks.registry import register_family


@dataclass(frozen=True)
class QuickSrnetConfig:
    """Widths of a QuickSRNet; the default is the small one.

    Attributes:
        scale: Upscaling factor.
        width: Channels of the body, at least 3: 32 (small, medium) or 64 (large).
        blocks: Convolutions between the first and the last: 2, 5 or 11.
        anchor: Whether a trained 1x1 convolution of the picture is added, as in the large one;
            otherwise the body's own channels carry the picture.
    """

    scale: int
    width: int = 32
    blocks: int = 2
    anchor: bool = False


def _convolution(filters: int, *, name: str, activation: str | None = "relu"):
    # A tenth of the usual spread leaves the identity the larger part of every channel.
    kernel = tf_keras.initializers.VarianceScaling(0.01, mode="fan_in")
    return tf_keras.layers.Conv2D(
        filters, 3, padding="same", activation=activation, kernel_initializer=kernel, name=name
    )


def add_identity(layer) -> None:
    """Add 1 where a channel meets itself: `conv(x)` becomes `conv(x) + x`."""
    kernel, bias = layer.get_weights()
    channels = range(min(kernel.shape[2:]))
    kernel[1, 1, channels, channels] += 1.0
    layer.set_weights([kernel, bias])


def add_nearest_neighbour(layer) -> None:
    """Add 1 where a colour meets its s^2 copies, at the centre of the kernel."""
    kernel, *bias = layer.get_weights()
    middle = kernel.shape[0] // 2
    for colour in range(3):
        kernel[middle, middle, colour, colour::3] += 1.0
    layer.set_weights([kernel, *bias])


@register_family("quicksrnet", source="arXiv 2303.04336")
def build_quicksrnet(config: QuickSrnetConfig, *, form: str = "deploy"):
    """The trunk of a QuickSRNet: (N, H, W, 3) in 0..1 -> (N, H, W, 3 s^2), linear output.

    Args:
        config: Widths and scale factor.
        form: Both forms are one.
    """
    channels = 3 * config.scale**2
    picture = tf_keras.Input((None, None, 3), name="input")
    body = [_convolution(config.width, name="first")]
    body += [_convolution(config.width, name=f"block{b}") for b in range(config.blocks)]
    x = picture
    for layer in body:
        x = layer(x)
        add_identity(layer)
    last = _convolution(channels, name="last", activation=None)
    y = last(x)
    if config.anchor:
        layer = tf_keras.layers.Conv2D(channels, 1, kernel_initializer="zeros", name="anchor")
        # The residual comes first: see sr_models.families.abpn on the calibrator's in-place fault.
        y = tf_keras.layers.Add(name="add")([y, layer(picture)])
        add_nearest_neighbour(layer)
    else:
        add_nearest_neighbour(last)
    return tf_keras.Model(picture, y, name="quicksrnet")
