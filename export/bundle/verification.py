"""A received bundle checked from its hashes to its pixels.

Whatever makes a bundle unusable (a changed byte, a file too many, a model that is not the one that
the manifest describes) is an error. Output that differs more than it did where the bundle was made
is a gate that is not met.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.bundle.contents import describe_audit, receptive_field_json
from export.bundle.golden import PATHS, Tolerance, difference, read_pair
from export.bundle.layout import (
    MANIFEST,
    inventory,
    require_inside,
    require_manifest_sum,
    require_no_empty_folder,
    require_sealed,
    require_valid,
)
from export.inspecting.audit import audit_model
from export.running.runtimes import require_delegate
from sr_models.ground.arguments import a_path, a_text, several, takes
from sr_models.ground.child import WHOLE_SIZE_MB, Crash, Sandbox
from sr_models.ground.errors import BundleError, OptionError
from sr_models.tflite.files import read_model


@dataclass(frozen=True)
class PathCheck:
    """One golden pair run by one kernel path.

    Attributes:
        file: The model's file.
        path: Kernel path.
        found: How far its output is from the expected one.
        allowed: How far it was where the bundle was made.
    """

    file: str
    path: str
    found: Tolerance
    allowed: Tolerance

    @property
    def passed(self) -> bool:
        """Whether it is no further than it was."""
        return self.allowed.allows(self.found)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "file": self.file,
            "path": self.path,
            "passed": self.passed,
            "found": self.found.to_json(),
            "allowed": self.allowed.to_json(),
        }


@dataclass(frozen=True)
class Verification:
    """What was checked.

    Attributes:
        manifest: The manifest.
        files: Number of files whose hashes were compared.
        checks: One for each model and kernel path.
    """

    manifest: dict[str, Any]
    files: int
    checks: tuple[PathCheck, ...]

    @property
    def failures(self) -> list[str]:
        """Golden pairs that are not reproduced, in words."""
        return [
            f"{check.file} by {check.path} differs by up to "
            f"{check.found.max_abs_code_difference} codes at "
            f"{check.found.differing_fraction:.2e} of the pixels, expected at most "
            f"{check.allowed.max_abs_code_difference} at {check.allowed.differing_fraction:.2e}"
            for check in self.checks
            if not check.passed
        ]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data, without the manifest's own content."""
        return {
            "network": self.manifest["network"]["name"],
            "unchanged_files": self.files,
            "models": [model["file"] for model in self.manifest["models"]],
            "golden": [check.to_json() for check in self.checks],
            "failures": self.failures,
        }


def read_bundle(folder: str | Path) -> dict[str, Any]:
    """The manifest of a bundle whose files are all there and unchanged.

    Raises:
        BundleError: The message names the file.
    """
    folder = Path(folder)
    present = inventory(folder)
    require_manifest_sum(folder)
    manifest = _parse(folder / MANIFEST)
    require_valid(manifest)
    named = [model["file"] for model in manifest["models"]]
    named += [path for model in manifest["models"] for path in _golden_paths(model)]
    for path in (*manifest["files"], *named):
        require_inside(path)
    require_sealed(folder, present, manifest["files"])
    # Behind the seal, so that the only file of a folder is missed by its own name.
    require_no_empty_folder(folder)
    for path in named:
        if path not in manifest["files"]:
            raise BundleError(
                f"expected the hash of {path} in {MANIFEST}, found none; export it again"
            )
    return manifest


@takes(folder=a_path, paths=several(a_text, what="kernel paths", least=0))
def verify_bundle(
    folder: str | Path,
    *,
    paths: Sequence[str] = PATHS,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Verification:
    """Check a bundle: hashes, schema, audit of every model, golden pairs.

    Models run in a child process, since a damaged one can bring an interpreter down.

    Args:
        folder: The bundle.
        paths: Kernel paths to run; those that the bundle says nothing about are left out.
        on_stage: Called with what begins next.

    Raises:
        BundleError: It is incomplete, changed, or contradicts itself; the message names the file.
        OptionError: An unknown kernel path.
    """
    folder = Path(folder)
    if not paths:
        raise OptionError(f"expected kernel paths of {', '.join(PATHS)}, found none")
    for path in paths:
        require_delegate(path)
    on_stage("comparing hashes")
    manifest = read_bundle(folder)
    checks: list[PathCheck] = []
    with Sandbox(memory_mb=WHOLE_SIZE_MB) as sandbox:
        for model in manifest["models"]:
            on_stage(f"auditing {model['file']}")
            _require_described(folder, model, manifest)
            fed, expected = read_pair(folder, model)
            for path in dict.fromkeys(paths):
                if path not in model["golden"]["tolerance"]:
                    continue
                on_stage(f"running {model['file']} by {path}")
                allowed = Tolerance(**model["golden"]["tolerance"][path])
                found = _run(sandbox, folder / model["file"], fed, expected, path)
                checks.append(PathCheck(model["file"], path, found, allowed))
    return Verification(manifest, len(manifest["files"]) + 2, tuple(checks))


def _parse(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"expected JSON in {path}, found other content ({type(error).__name__}); "
            "get the bundle again"
        ) from error


def _golden_paths(model: Mapping[str, Any]) -> list[str]:
    return [model["golden"][key] for key in ("input", "input_png", "output", "output_png")]


def _require_described(folder: Path, model: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    file = read_model(folder / model["file"])
    audit = audit_model(file)
    found = describe_audit(audit) | {"receptive_field": receptive_field_json(file)}
    expected = {**model, "receptive_field": manifest["receptive_field"]}
    # As JSON has it: no tuples.
    for key, value in json.loads(json.dumps(found)).items():
        if value != expected[key]:
            raise BundleError(
                f"expected {model['file']} with the {key} of the manifest, found another; "
                "the model is not the one that was described: get the bundle again"
            )
    codes = manifest.get("interface", {"dtype": "uint8"})["dtype"]
    if kinds := {audit.inputs[0].dtype, audit.outputs[0].dtype} - {codes}:
        raise BundleError(
            f"expected {codes} codes in {model['file']}, as the manifest says, found "
            f"{kinds.pop()}; get the bundle again"
        )
    if not audit.pixel_contract.holds:
        raise BundleError(
            f"expected codes that are pixels, found that {'; '.join(audit.pixel_contract.reasons)} "
            f"in {model['file']}; export it again"
        )
    shape = audit.inputs[0].shape
    if shape != (1, model["height"], model["width"], 3):
        raise BundleError(
            f"expected {model['file']} for {model['height']}x{model['width']} pixels, found "
            f"{list(shape)}; get the bundle again"
        )
    scale = manifest["network"]["scale"]
    made = audit.outputs[0].shape
    if made != (1, model["height"] * scale, model["width"] * scale, 3):
        raise BundleError(
            f"expected {model['file']} to enlarge {scale} times, found {list(shape)} to "
            f"{list(made)}; get the bundle again"
        )


def _run(
    sandbox: Sandbox, file: Path, fed: np.ndarray, expected: np.ndarray, path: str
) -> Tolerance:
    try:
        found = sandbox.call(
            measure_golden,
            file.read_bytes(),
            fed.tobytes(),
            expected.tobytes(),
            delegate=path,
            height=fed.shape[0],
            width=fed.shape[1],
            name=file.name,
        )
    except Crash as crash:
        raise BundleError(
            f"expected to run {file.name} by {path}, found: {crash}; get the bundle again"
        ) from crash
    return Tolerance(**found)


def measure_golden(
    model: bytes, fed: bytes, expected: bytes, *, name: str, delegate: str, height: int, width: int
) -> dict[str, Any]:
    """Run a model on raw codes and compare raw codes: the child's part."""
    from export.running.interpreters import open_model

    runner = open_model(read_model(model, name=name), delegate=delegate)
    codes = np.frombuffer(fed, runner.inputs[0].dtype).reshape(1, height, width, 3)
    output = runner.run(codes).reshape(-1)
    return difference(output, np.frombuffer(expected, output.dtype)).to_json()
