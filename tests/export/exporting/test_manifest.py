import json

import pytest

from export.exporting.conversion import convert_with_ranges
from export.exporting.judging import Fidelity
from export.exporting.manifest import SCHEMA_VERSION, build_manifest
from export.exporting.settings import ExportSettings
from export.inspecting.audit import audit_model
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.ground.console import json_text
from sr_models.networks.presets import get_preset


@pytest.fixture(scope="module")
def parts(sharpening, natural):
    ranges = pin_pixels(observe_ranges(sharpening, natural), sharpening)
    content = convert_with_ranges(sharpening, ranges, sample=natural.pictures[0], height=8, width=8)
    return {
        "weights_sha256": "ab" * 32,
        "model_file": "model.tflite",
        "dataset": natural,
        "ranges": ranges,
        "audit": audit_model(content),
        "fidelity": Fidelity(3, float("inf"), 41.0, 0, 0.0, 0.1, "xnnpack"),
        "held_out": [{"source": "a.png", "sha256": "cd" * 32}],
        "failures": [],
    }


def test_a_manifest_holds_what_is_needed_to_make_the_file_again(parts, natural):
    settings = ExportSettings(height=8, width=8, seed=5)
    manifest = json.loads(json_text(build_manifest(get_preset("xlsr_x3"), settings, **parts)))
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert manifest["accepted"] is True
    assert manifest["settings"]["seed"] == 5 and manifest["settings"]["tail"] == "relu"
    assert manifest["network"]["config"] == {"scale": 3}
    assert manifest["model"]["sha256"] == manifest["audit"]["sha256"]
    assert manifest["audit"]["ops"]["CONV_2D"] == 1
    records = manifest["representative_dataset"]["records"]
    assert [record["source_sha256"] for record in records] == [
        record.source_sha256 for record in natural.records
    ]
    assert manifest["ranges"]["tensors"]["input"] == {
        "minimum": 0.0,
        "maximum": 1.0,
        "narrow": False,
    }
    assert {"clip-free-sr", "tensorflow", "ai-edge-litert"} <= set(manifest["versions"])
    assert manifest["fidelity"]["psnr_db"] is None  # infinity is no JSON


def test_a_network_of_the_users_own_says_where_it_came_from(parts):
    origin = {"kind": "Keras 3.4.1", "licence": "unknown, given by the user"}
    files = [{"file": "model_8x8.tflite"}, {"file": "model_dynamic.tflite"}]
    manifest = build_manifest(
        get_preset("xlsr_x3"), ExportSettings(), **parts, origin=origin, channels=1, files=files
    )
    assert manifest["network"]["origin"] == origin and manifest["network"]["channels"] == 1
    assert manifest["files"] == files
    own = build_manifest(get_preset("xlsr_x3"), ExportSettings(), **parts)
    assert own["network"]["origin"] is None and own["files"] == []


def test_reasons_make_it_rejected(parts):
    parts = {**parts, "failures": ["too coarse"], "model_file": "rejected.tflite"}
    manifest = build_manifest(get_preset("xlsr_x3"), ExportSettings(), **parts)
    assert manifest["accepted"] is False
    assert manifest["failures"] == ["too coarse"]
    assert manifest["model"]["file"] == "rejected.tflite"


def test_the_same_inputs_give_the_same_text(parts):
    one, two = (
        json_text(build_manifest(get_preset("xlsr_x3"), ExportSettings(), **parts))
        for _ in range(2)
    )
    assert one == two
