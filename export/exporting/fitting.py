"""Files in the form that a target's compiler takes whole: interface, shuffle and groups.

It is done on the finished file, whose codes stay what they were: what was measured of the file with
DEPTH_TO_SPACE holds for the others. What a form is worth is read from the vendor's table for the
file itself, not from the network's name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from export.exporting.file_choices import ANY_SHUFFLE, Files, require_chip
from export.exporting.settings import ExportSettings
from export.inspecting.vendor_tables import VENDORS
from export.inspecting.vendors import Vendor, VendorReport, judge_graph
from export.running.interpreters import open_model
from export.running.pixels import codes_of_pixels
from export.tflite.groups import join_groups
from export.tflite.shuffle_forms import DEPTH_TO_SPACE
from export.tflite.shuffles import replace_shuffles
from sr_models.ground.errors import ConversionError
from sr_models.tflite.flatbuffer import read_graph

SIGNED = "int8"
"""The interface for every target: files need no QUANTIZE, which XNNPACK leaves behind, whose
integers ML Drift's coming path rejects, and of which two vendors' sources do not tell."""
CHOSEN = (DEPTH_TO_SPACE, "transpose_conv")
"""Forms that are chosen unasked. `resize_mask` takes an NPU many times as long, and much memory."""


def made_for(
    settings: ExportSettings, target: str, *, given: Collection[str] = (), bundle: bool = False
) -> ExportSettings:
    """Settings of an export for a target: what is not given is chosen for it.

    Args:
        settings: Every choice so far.
        target: A vendor, or a processor, whose kernels layers are packed for.
        given: Choices that stay as they are.
        bundle: Whether a bundle is made, whose pixels are uint8.

    Raises:
        OptionError: An unknown target, or choices that do not go with it.
    """
    require_chip(target)
    chosen = {} if bundle else {"io": SIGNED}
    if target in VENDORS:
        chosen |= {"made_for": target, "shuffle": ANY_SHUFFLE}
    else:
        chosen["packed_for"] = target
    return replace(settings, **{name: v for name, v in chosen.items() if name not in given})


@dataclass(frozen=True)
class Fit:
    """A file in one form.

    Attributes:
        content: The file.
        shuffle: How pixels are taken out of channels.
        joined: Whether convolutions of several groups were written as one.
        report: What the vendor's table says.
    """

    content: bytes
    shuffle: str
    joined: bool
    report: VendorReport

    @property
    def misses(self) -> tuple[int, int]:
        """Operators that are not taken, and that are unknown."""
        found = [verdict.taken for verdict in self.report.verdicts]
        return found.count(False), found.count(None)


def fit(content: bytes, vendor: Vendor, *, shuffles: Sequence[str] = CHOSEN) -> Fit:
    """The form of a file of which a vendor's table misses least; the plainest of equal ones."""
    forms = []
    for joined in (False, True):
        base = join_groups(content) if joined else content
        if joined and base == content:
            break
        for shuffle in shuffles:
            made = replace_shuffles(base, shuffle)
            forms.append(Fit(made, shuffle, joined, judge_graph(read_graph(made), vendor)))
    return min(forms, key=lambda form: form.misses)


def fit_files(
    contents: Sequence[bytes],
    settings: ExportSettings,
    *,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> tuple[list[bytes], list[bytes], ExportSettings]:
    """The files of an export in the form that its settings ask for; one form for all sizes.

    Args:
        contents: A `.tflite` file for each size.
        settings: Every choice.
        on_stage: Told what was chosen, and what the vendor's table does not take.

    Returns:
        The files before their shuffle was replaced, which run at any size and are measured; the
        files; and the settings with the form that was chosen.

    Raises:
        ConversionError: A file gives other codes in the form.
        ModelFileError: A file cannot be brought into it.
    """
    files, plain, shuffle = settings.files, list(contents), settings.files.shuffle
    if files.made_for is not None:
        shuffles: Sequence[str] = (shuffle,)
        if shuffle == ANY_SHUFFLE:
            dynamic = any(size.is_dynamic for size in files.sizes)
            shuffles = CHOSEN[:1] if dynamic else CHOSEN
        best = fit(contents[0], VENDORS[files.made_for], shuffles=shuffles)
        shuffle, settings = best.shuffle, replace(settings, shuffle=best.shuffle)
        if best.joined:
            plain = [join_groups(content) for content in contents]
        _tell(best, files, on_stage=on_stage)
    made = [replace_shuffles(content, shuffle) for content in plain]
    _require_equal(contents, made)
    return plain, made, settings


def _tell(best: Fit, files: Files, *, on_stage: Callable[[str], None]) -> None:
    whole = ", convolutions of several groups written as one" if best.joined else ""
    on_stage(
        f"for {files.made_for}: {files.io} codes, pixels by {best.shuffle}{whole}; "
        f"{best.report.in_words}"
    )
    for verdict in best.report.verdicts:
        if verdict.taken is False:
            on_stage(
                f"{verdict.op} (operator {verdict.index}) {best.report.vendor.left}: "
                f"{verdict.reason} ({verdict.source})"
            )


def _require_equal(before: Sequence[bytes], after: Sequence[bytes]) -> None:
    """Raise `ConversionError` where a file gives other codes than before on noise of its size."""
    for old, new in zip(before, after):
        if old == new:
            continue
        runners = [open_model(content, threads=2) for content in (old, new)]
        source = runners[0].inputs[0]
        noise = np.random.default_rng(0).integers(0, 256, source.shape, dtype=np.uint8)
        codes = [runner.run(codes_of_pixels(noise, source)) for runner in runners]
        if not np.array_equal(*codes):
            raise ConversionError(
                "expected equal codes of both forms of a file, found others; leave --shuffle and "
                "--target, and report the network"
            )
