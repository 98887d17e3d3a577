"""Which files an export makes: sizes, interface, and the form that targets take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from export.inspecting.vendor_tables import VENDORS
from export.inspecting.vendors import require_any_target
from export.tflite.shuffle_forms import DEPTH_TO_SPACE, SHUFFLES
from sr_models.ground.arguments import a_text, of_type, optional, require_fields, several
from sr_models.ground.errors import OptionError, require_known
from sr_models.ground.sizes import Size

_TAMING_TARGETS = ("picture", "set")
"""What `--target` meant before chips had it."""
INTERFACES = ("uint8", "int8", "float32")
ANY_SHUFFLE = "auto"
"""The first form that a target takes; only for one."""

_SIZES = several(
    of_type(Size, cure="give Size(360, 640) or sr_models.ground.sizes.parse_size"),
    what="sizes",
    least=0,
)


def require_io(io: str) -> None:
    """Raise `OptionError` for an unknown type of input and output."""
    require_known("an interface", io, INTERFACES)


def require_chip(target: str) -> None:
    """Raise `OptionError` for what is neither a vendor nor a processor."""
    if target in _TAMING_TARGETS:
        raise OptionError(
            f"expected a chip, found --target {target}; give --taming-target {target}"
        )
    require_any_target(target, VENDORS)


def file_names(sizes: Sequence[Size]) -> list[str]:
    """Names of the files: `model.tflite` for a single one, else `model_360x640.tflite`."""
    if len(sizes) == 1:
        return ["model.tflite"]
    return [f"model_{size}.tflite" for size in sizes]


@dataclass(frozen=True)
class Files:
    """Which files are made.

    Attributes:
        sizes: Input sizes, each once; a file for each with the same quantization. None for one of
            360x640.
        io: `"uint8"`, `"int8"` or `"float32"` input and output.
        shuffle: How pixels are taken out of channels (`export.tflite.shuffles`), or `"auto"` for
            the form that a target takes.
        made_for: The vendor whose compiler shall take the files whole; `None` for none.
    """

    sizes: tuple[Size, ...] = (Size(360, 640),)
    io: str = "uint8"
    shuffle: str = DEPTH_TO_SPACE
    made_for: str | None = None

    def __post_init__(self):
        require_fields(self, io=a_text, sizes=_SIZES, shuffle=a_text, made_for=optional(a_text))
        require_io(self.io)
        require_known("a shuffle", self.shuffle, (*SHUFFLES, ANY_SHUFFLE))
        if self.made_for is not None:
            require_known("a vendor", self.made_for, VENDORS)
        elif self.shuffle == ANY_SHUFFLE:
            raise OptionError(
                f"expected a target with the shuffle {ANY_SHUFFLE}, found none; give --target or "
                f"a shuffle of {', '.join(SHUFFLES)}"
            )
        fixed = (DEPTH_TO_SPACE, ANY_SHUFFLE)
        if self.shuffle not in fixed and any(size.is_dynamic for size in self.sizes):
            raise OptionError(
                f"expected fixed sizes with the shuffle {self.shuffle}, found dynamic; "
                "give --size 360x640 or others"
            )
        object.__setattr__(self, "sizes", tuple(dict.fromkeys(self.sizes)) or type(self).sizes)
