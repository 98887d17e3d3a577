"""What PAMS learned, in a file beside the weights: `x.quantization.json` for `x.weights.h5`.

The weights are those of the float network's own layers, before rounding; the file says on which
grid each tensor lies, so that the two together are the quantized network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sr_models.ground.console import json_text
from sr_models.ground.errors import WeightsError
from sr_models.ground.files import file_sha256, writing_file
from sr_models.networks.card import WEIGHTS_SUFFIX, require_weights_name
from sr_models.published.pams_student import AlphaRange, PamsStudent, alpha_range, pams_student
from sr_models.published.settings import PamsSettings

SUFFIX = ".quantization.json"
METHOD = "pams"


@dataclass(frozen=True)
class LearnedPams:
    """What PAMS learned.

    Attributes:
        settings: How the network is quantized.
        tensors: Grid of each quantizer by its key in `PamsStudent.quantizers`; its alpha is the
            grid's maximum.
        teacher: Where the float network came from, as `Start.label` has it.
    """

    settings: PamsSettings
    tensors: dict[str, AlphaRange]
    teacher: str

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "method": METHOD,
            "teacher": self.teacher,
            "settings": self.settings.to_json(),
            "tensors": {name: grid.to_json() for name, grid in self.tensors.items()},
        }

    def student_of(self, model) -> PamsStudent:
        """The quantized network again.

        Args:
            model: Float network with the learned weights and without an output tail.

        Raises:
            WeightsError: The file belongs to another network.
        """
        student = pams_student(model, self.settings)
        if set(student.quantizers) != set(self.tensors):
            differing = sorted(set(student.quantizers) ^ set(self.tensors))
            raise WeightsError(
                f"expected an alpha for each quantized tensor of {model.name}, found others at "
                f"{', '.join(differing[:4])}; this file belongs to another network"
            )
        for name, layer in student.quantizers.items():
            layer.alpha.assign(self.tensors[name].maximum)
        return student


def learned_by(student: PamsStudent, *, teacher: str) -> LearnedPams:
    """What a student has learned by now."""
    grids = {
        name: alpha_range(float(layer.alpha), bits=layer.bits, unsigned=layer.unsigned)
        for name, layer in student.quantizers.items()
    }
    return LearnedPams(student.settings, grids, teacher)


def quantization_path_of(weights: str | Path) -> Path:
    """Where the file stands: `x.weights.h5` -> `x.quantization.json`."""
    weights = require_weights_name(weights)
    return weights.with_name(weights.name.removesuffix(WEIGHTS_SUFFIX) + SUFFIX)


def save_learned(learned: LearnedPams, weights: str | Path) -> None:
    """Write the file of weights that stand already; it names them by their hash."""
    content = {"weights_sha256": file_sha256(weights), **learned.to_json()}
    with writing_file(quantization_path_of(weights)) as path:
        path.write_text(json_text(content))


def copy_learned(weights: str | Path, out: str | Path) -> None:
    """Put the file of `weights` beside `out`, a copy of them that may not stand there yet."""
    content = quantization_path_of(weights).read_text()
    with writing_file(quantization_path_of(out)) as path:
        path.write_text(content)


def load_learned(weights: str | Path) -> LearnedPams:
    """What PAMS learned for these weights.

    Raises:
        WeightsError: There is no such file, it is damaged, or of other weights.
    """
    path = quantization_path_of(weights)
    if not path.is_file():
        raise WeightsError(
            f"expected alphas beside the weights, found no file {path}; train them with: "
            "sr-models train NAME --quantize pams --data DIR"
        )
    try:
        data = json.loads(path.read_text())
        sha256, method = data["weights_sha256"], data["method"]
        settings = PamsSettings(**data["settings"])
        tensors = {name: AlphaRange(**grid) for name, grid in data["tensors"].items()}
        learned = LearnedPams(settings, tensors, data["teacher"])
        damaged = method != METHOD or not all(g.maximum > 0.0 for g in tensors.values())
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"expected what PAMS learned, found other content in {path} ({error}); train again"
        ) from error
    if damaged or sha256 != file_sha256(weights):
        raise WeightsError(
            f"expected {path} to belong to {Path(weights).name}, found that it does not; take "
            "both files from one run"
        )
    return learned
