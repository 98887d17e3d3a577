"""The int8 tensors of a file on either kernel path, held against a simulation one by one.

Whole pictures say little: a code that one rounding moves lies in what every further convolution
reads, and where that shifts a sum by a tenth of a step it moves one code in ten. After some layers
two ways of rounding are two independent ones. So each operator is given the file's own codes here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from export.running.interpreters import open_model
from sr_models.networks.graph import INPUT, output_name, points
from sr_models.tflite.unpacked import unpack
from sr_models.tflite.writing import pack_model


@dataclass(frozen=True)
class TensorCodes:
    """What one operator of a file writes.

    Attributes:
        codes: int64 (N, H, W, C).
        scale: Real value of one code.
        zero_point: Code of the real value 0.
    """

    codes: np.ndarray
    scale: np.float32
    zero_point: int

    @property
    def values(self) -> np.ndarray:
        """What the codes stand for, float32."""
        return (self.codes - self.zero_point).astype(np.float32) * self.scale

    def codes_of(self, values) -> np.ndarray:
        """The codes of values that lie on this grid."""
        return np.rint(np.asarray(values) / self.scale).astype(np.int64) + self.zero_point


def int8_tensors(content: bytes, pictures, *, delegate: str) -> list[TensorCodes]:
    """Each int8 tensor that an operator writes, in their order: the picture's codes come first."""
    model = unpack(content)
    tensors = model.graph.tensors
    made = [o for op in model.graph.operators for o in op.outputs if tensors[o].dtype == "int8"]
    # As outputs they are written by a delegate, too.
    model.tables.subgraphs[0].outputs = made
    model.tables.signatureDefs = []
    runner = open_model(pack_model(model.tables), delegate=delegate)
    found = []
    for picture in pictures:
        runner.run(picture[None])
        found.append([runner.output(i)[0].astype(np.int64) for i in range(len(made))])
    return [
        TensorCodes(np.stack(each), np.float32(tensors[i].scale), tensors[i].zero_point)
        for i, each in zip(made, zip(*found))
    ]


def apart(found: np.ndarray, expected: np.ndarray, *, border: int = 1) -> dict[str, np.ndarray]:
    """How many codes apart two arrays (N, H, W, C) are, the pixels of the border by themselves."""
    difference = np.abs(found.astype(np.int64) - expected)
    inside = np.zeros(difference.shape[1:3], bool)
    inside[border:-border, border:-border] = True
    return {"border": difference[:, ~inside].ravel(), "interior": difference[:, inside].ravel()}


def steps_apart(student, content: bytes, pictures, *, delegate: str, network):
    """For each tensor of a file: how far it is from what a student makes of the file's own inputs.

    Args:
        student: With its `model`, and `quantizers` by the name of the tensor that they round.
        content: Its file, with an output in pixels.
        pictures: uint8 (h, w, 3).
        delegate: Kernel path.
        network: The float network that the student was made of.

    Returns:
        By name, in the order of computation, what `apart` returns; `"pixels"` is the output.
    """
    tensors = int8_tensors(content, pictures, delegate=delegate)
    graph, stored = points(network), list(student.quantizers)
    # Behind them, the convolution that makes pixels, and the same pixels moved into place.
    assert len(tensors) == 1 + len(stored) + 2
    file = dict(zip([INPUT, *(name for name in graph if name in stored)], tensors))
    values, found = {INPUT: file[INPUT].values}, {}
    for name, point in graph.items():
        if name == INPUT:
            continue
        read = [values[source] for source in point.inputs]
        layer = student.model.get_layer(name)
        values[name] = layer(read[0] if len(read) == 1 else read)
        if name in file:
            rounded = student.quantizers[name](values[name])
            found[name] = apart(file[name].codes, file[name].codes_of(rounded))
            values[name] = file[name].values
    output = np.clip(np.asarray(values[output_name(network)]), 0.0, 1.0)
    pixels = tensors[-1]
    found["pixels"] = apart(pixels.codes, pixels.codes_of(output))
    return found
