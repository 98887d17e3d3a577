"""Trained networks by name, as plain data. Names decode as `family[_width]_scale`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sr_models.ground.arguments import a_text, takes
from sr_models.ground.errors import UnknownModelError, WeightsError
from sr_models.ground.pointers import require_no_pointer
from sr_models.ground.registry import matching, unknown_name_message

WEIGHTS_FOLDER = Path(__file__).parents[1] / "weights"


@dataclass(frozen=True)
class Preset:
    """One network: its family, configuration and recipe of training.

    Attributes:
        name: Name of the preset.
        family: Name of the registered family.
        config: Keywords of the family's configuration (with `scale`).
        description: One line for a list.
        source: Where the architecture was published, and what else decided its layers.
        recipe: Keywords of `sr_models.training.recipe.Recipe` that differ from its defaults.
        parameters: Number of weights of the deployed form, so that a list needs no network.
        multiply_adds: Those of the deployed trunk for a picture of 360x640.
        published_psnr_y_db: Dataset -> PSNR on luma in dB, as published for the float network:
            table 2 of the ETDS paper (CVPR 2023), or, where it is Set14 alone, Qualcomm's
            github:quic/aimet-model-zoo.
    """

    name: str
    family: str
    config: dict[str, Any]
    description: str
    source: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)
    parameters: int | None = None
    multiply_adds: int | None = None
    published_psnr_y_db: dict[str, float] = field(default_factory=dict)

    @property
    def scale(self) -> int:
        """Scale factor."""
        return self.config["scale"]

    @property
    def weights_path(self) -> Path:
        """Where shipped weights stand."""
        return WEIGHTS_FOLDER / f"{self.name}.weights.h5"

    def require_weights(self, weights: str | Path | None) -> Path:
        """The file of its weights, the shipped one by default; `WeightsError` if it is missing."""
        path = self.weights_path if weights is None else Path(weights)
        if not path.is_file():
            raise WeightsError(
                f"expected weights of {self.name}, found no file {path}; train them with: "
                f"sr-models train {self.name} --data DIR"
            )
        require_no_pointer(path, f"weights of {self.name}", error=WeightsError)
        return path

    @property
    def card_path(self) -> Path:
        """Where the card of the shipped weights stands."""
        return WEIGHTS_FOLDER / f"{self.name}.json"


# What the first weights were trained with, which a card must be able to say.
_FIRST = {
    "optimizer": "adam",
    "learning_rate": 1.5e-3,
    "batch_size": 8,
    "patch_size": 48,
    "warmup_steps": 500,
    "validation_interval": 2000,
}
# As the papers of EDSR and RDN have it, but for their longer schedules.
_LARGE = {
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "batch_size": 16,
    "loss": "l1",
    "schedule": "step",
    "steps": 300_000,
}

_BASELINE = {"width": 64, "blocks": 16, "upsampler": "staged", "mean_colour": True}

_PRESETS = [
    Preset(
        name="xlsr_x3",
        family="xlsr",
        config={"scale": 3},
        description="XLSR, 22 K parameters, the network of the CFQP authors",
        source="arXiv 2105.10288; widths: github:cxzhou95/XLSR",
        recipe={**_FIRST, "steps": 50_000},
        parameters=21_947,
        multiply_adds=4_980_326_400,
    ),
    Preset(
        name="xlsr_x2",
        family="xlsr",
        config={"scale": 2},
        description="XLSR, 18 K parameters",
        source="arXiv 2105.10288; widths: github:cxzhou95/XLSR",
        recipe={"steps": 4_000, "initial_weights": "xlsr_x3"},
        parameters=17_612,
        multiply_adds=3_984_998_400,
        published_psnr_y_db={"Set14": 32.57},
    ),
    Preset(
        name="xlsr_x4",
        family="xlsr",
        config={"scale": 4},
        description="XLSR, 28 K parameters",
        source="arXiv 2105.10288; widths: github:cxzhou95/XLSR",
        recipe={"steps": 4_000, "initial_weights": "xlsr_x3"},
        parameters=28_016,
        multiply_adds=6_373_785_600,
    ),
    Preset(
        name="abpn_x2",
        family="abpn",
        config={"scale": 2},
        description="ABPN-28, convolutions added to the repeated picture",
        source="arXiv 2105.09750; widths: github:NJU-Jet/SR_Mobile_Quantization",
        recipe={"steps": 4_000, "initial_weights": "abpn_x3"},
        parameters=33_464,
        multiply_adds=7_672_320_000,
        published_psnr_y_db={"Set5": 37.36, "Set14": 32.96, "BSD100": 31.75},
    ),
    Preset(
        name="abpn_x3",
        family="abpn",
        config={"scale": 3},
        description="ABPN-28, convolutions added to the repeated picture",
        source="arXiv 2105.09750; widths: github:NJU-Jet/SR_Mobile_Quantization",
        recipe={"steps": 9_000},
        parameters=42_539,
        multiply_adds=9_756_288_000,
        published_psnr_y_db={"Set5": 33.53, "Set14": 29.78, "BSD100": 28.72},
    ),
    Preset(
        name="abpn_x4",
        family="abpn",
        config={"scale": 4},
        description="ABPN-28, convolutions added to the repeated picture",
        source="arXiv 2105.09750; widths: github:NJU-Jet/SR_Mobile_Quantization",
        recipe={"steps": 4_000, "initial_weights": "abpn_x3"},
        parameters=62_048,
        multiply_adds=14_241_484_800,
        published_psnr_y_db={"Set5": 31.32, "Set14": 28.10, "BSD100": 27.23},
    ),
    Preset(
        name="abpn_ncnet_x3",
        family="abpn",
        config={"scale": 3, "width": 32, "anchor": "conv"},
        description="NCNet: ABPN-32 on a frozen 1x1 convolution, 52,279 parameters trained",
        source="github:Algolzw/NCNet, after ABPN (arXiv 2105.09750)",
        recipe={"steps": 6_000},
        parameters=52_360,
        multiply_adds=12_014_438_400,
    ),
    Preset(
        name="ecbsr_m4c16_x3",
        family="ecbsr",
        config={"scale": 3},
        description="ECBSR-M4C16, edge-oriented blocks merged into 3x3 convolutions, PReLU",
        source="ACM Multimedia 2021, github:xindongzhang/ECBSR; for RGB: github:ECNUSR/ETDS",
        recipe={"steps": 10_000},
        parameters=13_723,
        multiply_adds=3_118_694_400,
        published_psnr_y_db={"Set5": 33.07, "Set14": 29.53, "BSD100": 28.57},
    ),
    Preset(
        name="edsr_f32b5_x2",
        family="edsr",
        config={"scale": 2},
        description="EDSR of MLPerf Mobile: 32 channels, 5 blocks",
        source="arXiv 1707.02921; this size: github:mlcommons/mobile_open",
        recipe={"steps": 5_000},
        parameters=106_092,
        multiply_adds=24_352_358_400,
    ),
    Preset(
        name="edsr_f32b5_x4",
        family="edsr",
        config={"scale": 4},
        description="EDSR of 32 channels, 5 blocks and one convolution to the pixels",
        source="arXiv 1707.02921; this size: github:mlcommons/mobile_open",
        recipe={"steps": 3_500, "initial_weights": "edsr_f32b5_x2"},
        parameters=116_496,
        multiply_adds=26_741_145_600,
    ),
    Preset(
        name="edsr_baseline_x2",
        family="edsr",
        config={"scale": 2, **_BASELINE},
        description="EDSR-baseline: 64 channels, 16 blocks; padding of the mean colour",
        source="arXiv 1707.02921",
        recipe={**_LARGE, "patch_size": 48},
        parameters=1_369_871,
        multiply_adds=316_250_956_800,
    ),
    Preset(
        name="edsr_baseline_x4",
        family="edsr",
        config={"scale": 4, **_BASELINE},
        description="EDSR-baseline: 64 channels, 16 blocks, two stages of x2",
        source="arXiv 1707.02921",
        recipe={**_LARGE, "patch_size": 48},
        parameters=1_517_583,
        multiply_adds=456_923_980_800,
    ),
    Preset(
        name="espcn_x3",
        family="espcn",
        config={"scale": 3},
        description="ESPCN, three convolutions with tanh",
        source="arXiv 1609.05158; for RGB: github:ECNUSR/ETDS",
        recipe={"steps": 10_000},
        parameters=31_131,
        multiply_adds=7_144_243_200,
        published_psnr_y_db={"Set5": 32.85, "Set14": 29.41, "BSD100": 28.40},
    ),
    Preset(
        name="etds_t_x3",
        family="etds",
        config={"scale": 3},
        description="ETDS-T, two streams in one plain network",
        source="CVPR 2023, github:ECNUSR/ETDS",
        recipe={"steps": 12_000},
        parameters=15_963,
        multiply_adds=3_649_536_000,
        published_psnr_y_db={"Set5": 33.14, "Set14": 29.53, "BSD100": 28.54},
    ),
    Preset(
        name="fsrcnn_x3",
        family="fsrcnn",
        config={"scale": 3},
        description="FSRCNN(56, 12, 4), its transposed convolution as a plain one, PReLU",
        source="arXiv 1608.00367; for RGB: github:ECNUSR/ETDS",
        recipe={"steps": 9_000},
        parameters=24_707,
        multiply_adds=5_607_014_400,
        published_psnr_y_db={"Set5": 33.01, "Set14": 29.52, "BSD100": 28.50},
    ),
    Preset(
        name="quicksrnet_s_x2",
        family="quicksrnet",
        config={"scale": 2},
        description="QuickSRNet-Small, plain convolutions that start as the identity",
        source="arXiv 2303.04336; widths: github:quic/aimet-model-zoo",
        recipe={"steps": 5_000},
        parameters=22_860,
        multiply_adds=5_242_060_800,
        published_psnr_y_db={"Set14": 32.52},
    ),
    Preset(
        name="rdn_x2",
        family="rdn",
        config={"scale": 2},
        description="RDN: 16 dense blocks of 8 convolutions",
        source="arXiv 1802.08797; layers: github:colorjam/PAMS",
        recipe=_LARGE,
        parameters=22_123_395,
        multiply_adds=5_096_182_579_200,
    ),
    Preset(
        name="rdn_x4",
        family="rdn",
        config={"scale": 4},
        description="RDN: 16 dense blocks of 8 convolutions, two stages of x2",
        source="arXiv 1802.08797; layers: github:colorjam/PAMS",
        recipe=_LARGE,
        parameters=22_271_107,
        multiply_adds=5_236_855_603_200,
    ),
    Preset(
        name="sesr_m5_x2",
        family="sesr",
        config={"scale": 2},
        description="SESR-M5 for RGB, collapsible linear blocks with residuals, PReLU",
        source="arXiv 2103.09404; for RGB: github:quic/aimet-model-zoo",
        recipe={"steps": 6_000},
        parameters=17_708,
        multiply_adds=4_036_608_000,
        published_psnr_y_db={"Set14": 32.57},
    ),
    Preset(
        name="srresnet_x4",
        family="srresnet",
        config={"scale": 4},
        description="SRResNet: 64 channels, 16 blocks, PReLU, normalization folded away",
        source="arXiv 1609.04802; layers: github:zysxmu/DFSQ",
        recipe={**_LARGE, "patch_size": 24},
        parameters=1_546_435,
        multiply_adds=511_067_750_400,
    ),
]

PRESETS: dict[str, Preset] = {preset.name: preset for preset in _PRESETS}


@takes(pattern=a_text)
def list_presets(pattern: str = "*") -> list[str]:
    """Names of presets that match a shell pattern, sorted."""
    return matching(PRESETS, pattern)


_FILES = (".keras", ".h5", ".hdf5", ".onnx", ".tflite", ".pb")


@takes(name=a_text)
def get_preset(name: str) -> Preset:
    """The preset of that name; raises `UnknownModelError` with the nearest names."""
    if name not in PRESETS:
        if Path(name).suffix.lower() in _FILES or Path(name).is_dir():
            raise UnknownModelError(
                f"expected the name of a preset, found a path: {name}; sr-export model, "
                "sr-calibrate and sr-bench drop take networks of your own"
            )
        raise UnknownModelError(unknown_name_message("preset", name, PRESETS))
    return PRESETS[name]
