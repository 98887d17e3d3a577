"""A bundle's golden pairs on a phone: whether it makes the pixels that the bundle promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.bundle.golden import Tolerance, difference, proven_tolerance, read_pair
from export.bundle.verification import read_bundle
from export.running.interpreters import open_model
from runtime_bench.android.quality import run_on_phone
from runtime_bench.android.session import Session
from runtime_bench.android.tool import ToolRun
from sr_models.tflite.files import ModelFile


@dataclass(frozen=True)
class Golden:
    """One golden pair.

    Attributes:
        input: uint8 (H, W, 3), the codes that are fed.
        output: uint8 (H s, W s, 3), the codes that must come out.
        entry: What the manifest says of it.
    """

    input: np.ndarray
    output: np.ndarray
    entry: Mapping[str, Any]


@dataclass(frozen=True)
class PhoneGolden:
    """One golden pair on one phone.

    Attributes:
        model: The file's name.
        serial: The phone.
        delegate: What it ran with there.
        found: How far its output is from the expected one.
        allowed: How far it may be.
    """

    model: str
    serial: str
    delegate: str
    found: Tolerance
    allowed: Tolerance

    @property
    def passed(self) -> bool:
        """Whether it is no further than it may be."""
        return self.allowed.allows(self.found)

    def __str__(self) -> str:
        return (
            f"{Path(self.model).name} with {self.delegate} on {self.serial} differs from its "
            f"golden output by up to {self.found.max_abs_code_difference} codes at "
            f"{self.found.differing_fraction:.2%} of the pixels, allowed are "
            f"{self.allowed.max_abs_code_difference} at {self.allowed.differing_fraction:.2%}"
        )

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "model": self.model,
            "serial": self.serial,
            "delegate": self.delegate,
            "passed": self.passed,
            "found": self.found.to_json(),
            "allowed": self.allowed.to_json(),
        }


def read_goldens(folder: str | Path) -> dict[str, Golden]:
    """The golden pairs of a whole and unchanged bundle, by the path of the file.

    Raises:
        BundleError: The bundle is incomplete, changed or contradicts itself.
    """
    folder = Path(folder)
    goldens = {}
    for model in read_bundle(folder)["models"]:
        goldens[str(folder / model["file"])] = Golden(*read_pair(folder, model), model["golden"])
    return goldens


def measure_golden_on_phone(
    session: Session, model: ModelFile, golden: Golden, *, run: ToolRun, graph: str
) -> PhoneGolden:
    """Run a golden input on the phone and compare what it makes of it.

    Args:
        session: The phone, with the file on it.
        model: The file.
        golden: Its pair.
        run: Delegate, accelerator and threads.
        graph: Path of the file on the phone.

    Raises:
        PhoneError: The phone is gone, or the program failed.
        OptionError: The program cannot read or write pictures.
    """
    codes = run_on_phone(session, open_model(model), golden.input[None], run=run, graph=graph)
    return PhoneGolden(
        model.name,
        session.adb.serial or "",
        run.delegate,
        difference(codes[0], golden.output),
        proven_tolerance(golden.entry, run.delegate),
    )
