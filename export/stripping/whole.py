"""All that stripping does to a file, one after the other: clip, scales, and what else can go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from export.running.targets import Target
from export.stripping.further import Further, go_further
from export.stripping.mending import Mended, mend_io
from export.stripping.strip import NoClipError, StripResult, strip_model
from sr_models.ground.child import Sandbox
from sr_models.ground.errors import ModelFileError
from sr_models.ground.pixel_range import PixelRange
from sr_models.tflite.files import ModelFile, read_model

# What JSON says where there was no clip to take out.
_NOTHING_STRIPPED = {
    "removed_ops": [],
    "retargeted_tensors": [],
    "proof": "no_op",
    "bound": 0,
    "max_abs_code_difference": 0,
    "differing_fraction": 0.0,
    "samples": 0,
}


@dataclass(frozen=True)
class Stripped:
    """A file without what it can do without.

    Attributes:
        clip: How the clip went; `None` where there was none.
        mended: What was repaired of its scales; `None` where that was not asked for.
        further: What else went, and the new file.
    """

    clip: StripResult | None
    mended: Mended | None
    further: Further

    @property
    def content(self) -> bytes:
        """The new file."""
        return self.further.content

    def to_json(self) -> dict[str, Any]:
        """All three as plain data."""
        data = self.clip.to_json() if self.clip else dict(_NOTHING_STRIPPED)
        if self.mended:
            data["repair_io"] = self.mended.to_json()
        return {**data, "further": self.further.to_json(), "sha256": self.further.sha256}


def strip_whole(
    file: ModelFile,
    *,
    sandbox: Sandbox,
    limit: int | None = None,
    floats: bool = False,
    repair: bool = False,
    pixels: PixelRange | None = None,
    signed: bool = False,
    targets: Sequence[Target] = (),
) -> Stripped:
    """Take the clip out of a file, and all else that changes no code.

    Args:
        file: The file.
        sandbox: A child process to run old and new files in.
        limit: Codes that an output may change by.
        floats: Take clips of real numbers out as well.
        repair: Give input and output the scale of pixels, too.
        pixels: What black and white are for the file; found by default.
        signed: Make uint8 codes of inputs and outputs int8.
        targets: Whom convolutions are packed for.

    Raises:
        NoClipError: There is nothing to do.
        ModelFileError: The file is damaged, or something that was asked for cannot be done.
    """
    clip = mended = nothing = None
    made = file
    try:
        clip = strip_model(file, limit=limit, sandbox=sandbox, floats=floats)
        made = read_model(clip.content, name=file.name)
    except NoClipError as error:
        nothing = error
    if repair:
        mended = mend_io(made, sandbox=sandbox, limit=1 if limit is None else limit, pixels=pixels)
        made = read_model(mended.content, name=file.name)
    further = go_further(made, sandbox=sandbox, signed=signed, targets=targets)
    if clip is None and not further.changes:
        if mended is None:
            raise nothing
        if not mended.repairs:
            why = "; ".join(mended.obstacles) or f"its codes are pixels already: {mended.pixels}"
            raise ModelFileError(
                f"expected a clip or a scale to repair, found neither in {file.name} ({why}); use "
                "the file as it is"
            )
    return Stripped(clip, mended, further)
