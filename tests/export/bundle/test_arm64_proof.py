"""What a bundle says of ARM64 processors, and what is allowed of a phone for it."""

from __future__ import annotations

import json

import pytest

from export.bundle.arm64_proof import Arm64Proof
from export.bundle.golden import Tolerance, proven_tolerance
from export.bundle.verification import verify_bundle
from export.bundle.writing import export_bundle
from export.exporting.settings import ExportSettings
from export.running.machines import CPUS
from sr_models.ground.sizes import Size

SMALL = ExportSettings(sizes=(Size(8, 8),))
APART = {"max_abs_code_difference": 4, "differing_fraction": 0.25}


def test_the_manifest_and_the_card_name_the_processors(export_small, monkeypatch, tmp_path):
    found = (Arm64Proof(CPUS[0], Tolerance(0, 0.0)), Arm64Proof(CPUS[2], Tolerance(1, 0.5)))
    monkeypatch.setattr("export.bundle.writing.prove_pair", lambda *_, **__: found)
    folder = tmp_path / "phone"
    export_bundle("sharpening", SMALL, out=folder, export=export_small, twin=False)
    [model] = json.loads((folder / "manifest.json").read_text())["models"]
    assert model["golden"]["arm64"] == [
        {
            "cpu": "cortex-a53",
            "kernel": "neon",
            "max_abs_code_difference": 0,
            "differing_fraction": 0.0,
        },
        {
            "cpu": "neoverse-n2",
            "kernel": "i8mm",
            "max_abs_code_difference": 1,
            "differing_fraction": 0.5,
        },
    ]
    assert "| cortex-a53 (neon) | 0 |" in (folder / "model_card.md").read_text()
    assert verify_bundle(folder).checks


def test_without_the_machine_nothing_is_said_of_it(made_bundle):
    manifest = json.loads((made_bundle / "manifest.json").read_text())
    assert all("arm64" not in model["golden"] for model in manifest["models"])
    assert "ARM64" not in (made_bundle / "model_card.md").read_text()


@pytest.mark.parametrize(
    ("proofs", "delegate", "allowed"),
    [
        ([0, 0, 0], "xnnpack", 0),
        ([0, 0, 0], "gpu", 4),
        ([0, 1, 0], "xnnpack", 4),
        ([], "xnnpack", 4),
    ],
)
def test_a_proof_leaves_xnnpack_no_difference(proofs, delegate, allowed):
    entry = {"tolerance": {"xnnpack": EXACT, "builtin": APART}}
    entry |= {"arm64": [{"max_abs_code_difference": code} for code in proofs]} if proofs else {}
    assert proven_tolerance(entry, delegate).max_abs_code_difference == allowed


EXACT = {"max_abs_code_difference": 0, "differing_fraction": 0.0}
