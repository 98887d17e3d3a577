"""Every choice of an export."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from export.exporting.conversion import require_io, require_size
from export.precision.kept_layers import KEPT_PRECISIONS
from export.quantizing.defaults import DEFAULT_RECIPE
from export.quantizing.recipe import AUTO, dataset_of, parse_recipe
from representative_data.taming import Taming
from representative_data.tiles import require_usable
from sr_models.ground.errors import OptionError, require_known
from sr_models.networks.tails import require_tail

PRECISIONS = ("int8", "int16x8", "mixed", "float32")
CALIBRATORS = ("graph", "converter")
AUTO_DROP_DB = 0.05
"""What `--method auto` may lose where nothing is asked for."""


@dataclass(frozen=True)
class ExportSettings:
    """Every choice of an export.

    Attributes:
        height: Input height in pixels.
        width: Input width in pixels.
        sizes: Several input sizes, a file for each with the same quantization; they then count
            instead of `height` and `width`.
        method: A recipe (`export.quantizing.recipe`): `"cfqp"` (tamed pictures) or `"natural"`
            (pictures as they are), and what follows, e.g. `"cfqp+equalize+adaround"`; or `"auto"`
            for the cheapest that loses no more than `max_drop_db`. Where the dataset decides every
            range (`pure`, `calibrator`), it stands alone.
        tail: Output tail, see `sr_models.networks.tails`.
        io: `"uint8"`, `"int8"` or `"float32"` input and output.
        precision: `"int8"`; `"int16x8"` (16-bit activations, 8-bit weights); `"mixed"` (int8 but
            for some layers); or `"float32"` for comparison.
        kept: Names of the layers that `"mixed"` keeps above eight bits.
        most_sensitive: How many layers it keeps where none is named: those that cost most fidelity
            when they alone are quantized.
        kept_precision: What it keeps them in, `"float32"` or `"int16x8"`.
        pure: Let the representative dataset decide every range, as the CFQP paper claims it can.
            Otherwise the input's and the output's range are written as exactly [0, 1].
        calibrator: `"graph"` observes the float Keras graph; `"converter"` hands the dataset to
            the TFLite converter's own calibrator (and implies `pure`).
        pictures: Number of calibration tiles.
        tile_side: Their height and width in low-resolution pixels.
        taming: How pictures are tamed, see `representative_data.taming`.
        target: Whether each picture is changed by itself, or the set by one change.
        max_passes: Forward passes after which a picture that still does not fit is dropped.
        anchors: Whether made pictures span the input's range.
        seed: Seed of the choice of tiles.
        minimum_fidelity_db: A file below this fidelity to the float network is rejected.
        max_drop_db: A file that loses more PSNR than this, RGB or luma, on pictures held out is
            rejected; `None` for no limit, which is `AUTO_DROP_DB` for `"auto"`.
    """

    height: int = 360
    width: int = 640
    sizes: tuple[Size, ...] = ()
    method: str = DEFAULT_RECIPE
    tail: str = "relu"
    io: str = "uint8"
    precision: str = "int8"
    kept: tuple[str, ...] = ()
    most_sensitive: int = 0
    kept_precision: str = "float32"
    pure: bool = False
    calibrator: str = "graph"
    pictures: int = 64
    tile_side: int = 96
    taming: str = "contrast"
    target: str = "picture"
    max_passes: int = 10
    anchors: bool = True
    seed: int = 0
    minimum_fidelity_db: float = 30.0
    max_drop_db: float | None = None

    def __post_init__(self):
        require_size(self.height, self.width)
        require_tail(self.tail)
        require_io(self.io)
        require_known("a precision", self.precision, PRECISIONS)
        require_known("a calibrator", self.calibrator, CALIBRATORS)
        require_known("a precision to keep layers in", self.kept_precision, KEPT_PRECISIONS)
        self._require_layers_where_mixed()
        alone = dataset_of(self.method)
        if self.method != AUTO:
            parse_recipe(self.method)
        elif self.max_drop_db is None:
            object.__setattr__(self, "max_drop_db", AUTO_DROP_DB)
        if self.pure or self.calibrator == "converter":
            self._require_dataset_alone(alone)
        if self.max_drop_db is not None and not self.max_drop_db > 0.0:
            raise OptionError(f"expected a largest drop above 0 dB, found {self.max_drop_db:g}")
        if not 0.0 <= self.minimum_fidelity_db < math.inf:
            raise OptionError(
                f"expected a least fidelity of 0 dB or more, found {self.minimum_fidelity_db:g}"
            )
        require_usable(count=self.pictures, side=self.tile_side, seed=self.seed)
        self.made_taming()
        if self.precision == "float32":
            # A float file has no other interface.
            object.__setattr__(self, "io", "float32")

    @property
    def all_sizes(self) -> tuple[Size, ...]:
        """The input size of every file, each once."""
        return tuple(dict.fromkeys(self.sizes)) or (Size(self.height, self.width),)

    def made_taming(self) -> Taming:
        """The taming that the settings ask for; raises `OptionError` for one that cannot be."""
        return Taming(self.taming, target=self.target, max_passes=self.max_passes)

    @property
    def may_hold_floats(self) -> bool:
        """Whether real numbers inside of the file are what was asked for."""
        islands = self.precision == "mixed" and self.kept_precision == "float32"
        return islands or self.precision == "float32"

    def _require_layers_where_mixed(self) -> None:
        if self.most_sensitive < 0:
            raise OptionError(f"expected 0 or more layers to keep, found {self.most_sensitive}")
        asked = len(self.kept) + self.most_sensitive
        if self.precision == "mixed" and not asked:
            raise OptionError(
                "expected layers to keep above eight bits, found none; give --keep LAYER or "
                "--keep-most-sensitive N (sr-calibrate sensitivity shows which they are)"
            )
        if self.precision != "mixed" and asked:
            raise OptionError(
                f"expected layers to keep with the precision mixed alone, found {self.precision}; "
                "give --precision mixed or leave them out"
            )
        if self.kept and self.most_sensitive:
            raise OptionError(
                "expected layers by name or their number, found both; give --keep or "
                "--keep-most-sensitive"
            )

    def _require_dataset_alone(self, alone: str) -> None:
        # What follows a dataset moves ranges, so they would not be the pictures' any more.
        if self.method == DEFAULT_RECIPE:
            object.__setattr__(self, "method", alone)
        elif self.method != alone:
            raise OptionError(
                "expected a representative dataset alone where it decides every range (--pure, "
                f"--calibrator converter), found --method {self.method}; give --method {alone} or "
                "leave the other out"
            )


DEFAULTS = ExportSettings()
"""An export as it is where nothing is asked for."""


_DYNAMIC = "dynamic"


@dataclass(frozen=True, order=True)
class Size:
    """The size of a file's input in pixels; both `None` for a file of any size.

    Attributes:
        height: Height in pixels.
        width: Width in pixels.
    """

    height: int | None
    width: int | None

    def __post_init__(self):
        require_size(self.height, self.width)

    @property
    def is_dynamic(self) -> bool:
        """Whether the file is resized before it runs."""
        return self.height is None

    def __str__(self) -> str:
        return _DYNAMIC if self.is_dynamic else f"{self.height}x{self.width}"


DYNAMIC = Size(None, None)


def parse_size(text: str) -> Size:
    """A size of `"360x640"` (height first) or `"dynamic"`; raises `OptionError` for others."""
    if text.strip().lower() == _DYNAMIC:
        return DYNAMIC
    found = re.fullmatch(r"\s*(\d{1,9})\s*[xX]\s*(\d{1,9})\s*", text)
    if not found:
        raise OptionError(
            f"expected a size such as 360x640 (height first) or {_DYNAMIC}, found {text!r}"
        )
    return Size(*map(int, found.groups()))


def file_names(sizes: Sequence[Size]) -> list[str]:
    """Names of the files: `model.tflite` for a single one, else `model_360x640.tflite`."""
    if len(sizes) == 1:
        return ["model.tflite"]
    return [f"model_{size}.tflite" for size in sizes]
