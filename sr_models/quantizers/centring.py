"""Rounding the head's weights must not change the mean colour.

The networks of the papers subtract the mean colour of DIV2K before their first convolution
(github:sanghyun-son/EDSR-PyTorch, `MeanShift`), and quantize what reads the difference:
Q(W) (x - m) + b. Ours leave the subtraction to the biases, which is the same in float but not once
the kernel is rounded: then each weight's error counts with the colour itself, and as all pictures
share most of that, whole channels move: by up to 5 codes of 255 in the EDSR of this package, where
the picture's own channels sit. With m as `centre`, a convolution computes the papers' sum, as
Q(W) x + b + (W - Q(W)) m. The two differ by what is beyond the border, black here and m there.

The last term is a constant: a file holds it as part of the bias.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sr_models.graph import points
from sr_models.quantizers.sites import convolution_sites, pixel_points
from sr_models.quantizers.student import QuantizedConvolution

MEAN_COLOUR = (0.4488, 0.4371, 0.4040)
"""Of DIV2K, RGB in 0..1."""


def centres(model) -> dict[str, tuple[float, ...]]:
    """The mean of what each convolution reads, where that is the picture.

    Args:
        model: Float functional network.

    Returns:
        Name of the convolution -> red, green and blue.
    """
    graph, pixels = points(model), pixel_points(model)
    return {
        site.name: MEAN_COLOUR
        for site in convolution_sites(model)
        if site.reads in pixels
        and graph[site.reads].tensor.shape[-1] == len(MEAN_COLOUR)
        and graph[site.name].layer.groups == 1
        and graph[site.name].layer.use_bias
    }


def with_centres_merged(weights: Mapping[str, np.ndarray], student) -> dict[str, np.ndarray]:
    """The weights of a student with which it computes the same without centres.

    Args:
        weights: By `layer/variable` (`sr_models.network.named_weights`).
        student: Keras network of quantized convolutions.
    """
    merged = dict(weights)
    for layer in student.layers:
        if isinstance(layer, QuantizedConvolution) and layer.centre is not None:
            constant = layer.rounded_away(layer.quantized_kernel()).numpy()
            merged[f"{layer.name}/bias"] = merged[f"{layer.name}/bias"] + constant
    return merged
