import json
from dataclasses import replace

import pytest

from export.exporting.folder import require_free
from export.exporting.kernel_agreement import CodeDifference, KernelAgreement
from export.exporting.result import SCHEMA_VERSION, SourceFile
from export.exporting.settings import ExportSettings
from sr_models.ground.console import json_text
from sr_models.ground.errors import OutputError
from sr_models.ground.sizes import Size
from tests.bundles import TWO_SIZES


@pytest.fixture(scope="module")
def result(export_small):
    return export_small("sharpening", TWO_SIZES)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rejected(result):
    """The same where the second file alone has failed."""
    first, second = result.files
    return replace(result, files=(first, replace(second, failures=("fidelity is low",))))


def test_files_and_manifest_go_by_the_same_names(result, tmp_path):
    result.write(tmp_path / "phone")
    names = sorted(path.name for path in (tmp_path / "phone").iterdir())
    assert names == ["manifest.json", "model_12x20.tflite", "model_16x24.tflite"]
    for file in result.files:
        assert (tmp_path / "phone" / file.name).read_bytes() == file.content
    manifest = json.loads((tmp_path / "phone" / "manifest.json").read_text())
    assert manifest["model"]["file"] == "model_16x24.tflite"
    assert [entry["file"] for entry in manifest["files"]] == names[:0:-1]


def test_rejected_files_are_called_so_in_the_manifest_too(result, tmp_path):
    rejected(result).write(tmp_path / "phone")
    names = sorted(path.name for path in (tmp_path / "phone").iterdir())
    assert names == ["manifest.json", "rejected_12x20.tflite", "rejected_16x24.tflite"]
    manifest = json.loads((tmp_path / "phone" / "manifest.json").read_text())
    assert manifest["model"]["file"] == "rejected_16x24.tflite"
    assert [entry["file"] for entry in manifest["files"]] == names[:0:-1]
    assert not manifest["accepted"] and manifest["failures"] == ["fidelity is low"]
    assert [entry["accepted"] for entry in manifest["files"]] == [True, False]


@pytest.mark.parametrize("made", [lambda result: result, rejected], ids=["good", "rejected"])
def test_written_twice_it_gives_the_same_bytes(made, result, tmp_path):
    """Writing used to rename files in the caller's manifest."""
    once = made(result)
    before = once.manifest
    once.write(tmp_path / "one")
    once.write(tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert once.manifest == before


def test_an_old_export_gives_way_only_where_it_may(result, tmp_path):
    out = tmp_path / "phone"
    require_free(out, overwrite=False)
    out.mkdir()
    (out / "rejected.tflite").write_bytes(b"old")
    with pytest.raises(OutputError, match="--overwrite"):
        require_free(out, overwrite=False)
    require_free(out, overwrite=True)
    result.write(out, overwrite=True)
    assert not (out / "rejected.tflite").exists()


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("found", ["nothing", "file", "diary", "export", "killed"])
def test_before_the_work_and_after_it_one_rule_holds(found, overwrite, result, tmp_path):
    out = tmp_path / "phone"
    if found == "file":
        out.write_text("mine")
    elif found == "killed":
        # What a kill between two renames leaves: the old folder, set aside.
        (tmp_path / ".phone.replaced").mkdir()
    elif found != "nothing":
        out.mkdir()
        (out / {"diary": "diary.txt", "export": "manifest.json"}[found]).write_text("mine")
    said = []
    for ask in (require_free, result.write):
        try:
            ask(out, overwrite=overwrite)
        except OutputError as error:
            said.append(str(error))
    assert len(said) == (0 if found == "nothing" else 2 * (not overwrite or found in "file diary"))
    assert len(set(said)) <= 1


def test_a_manifest_holds_what_is_needed_to_make_the_files_again(result):
    settings = ExportSettings(sizes=(Size(8, 8),), seed=5)
    made = replace(result, settings=settings, held_out=(SourceFile("a.png", "cd" * 32),))
    manifest = json.loads(json_text(made.manifest))
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert manifest["accepted"] is True
    assert manifest["settings"]["seed"] == 5 and manifest["settings"]["tail"] == "relu"
    assert (manifest["network"]["name"], manifest["network"]["scale"]) == ("sharpening", 2)
    assert manifest["network"]["origin"] is None
    assert manifest["model"]["sha256"] == manifest["audit"]["sha256"]
    assert manifest["audit"]["ops"]["CONV_2D"] == 1
    assert manifest["fidelity"]["held_out"] == [{"source": "a.png", "sha256": "cd" * 32}]
    records = manifest["representative_dataset"]["records"]
    assert [record["source_sha256"] for record in records] == [
        record.source_sha256 for record in result.dataset.records
    ]
    assert manifest["ranges"]["tensors"]["input"] == {
        "minimum": 0.0,
        "maximum": 1.0,
        "narrow": False,
    }
    assert {"clip-free-sr", "tensorflow", "ai-edge-litert"} <= set(manifest["versions"])


def test_every_file_is_listed_with_what_was_measured_of_it(result):
    """Of sizes two and on, drop and kernels were judged and recorded nowhere."""
    first, second = result.files
    apart = KernelAgreement(3, CodeDifference(2, 0.125))
    drop = replace(second.drop, psnr_rgb_drop_db=0.07)
    both = replace(result, files=(first, replace(second, kernels=apart, drop=drop)))
    one, two = both.manifest["files"]
    assert (one["drop"]["psnr_rgb_drop_db"], one["kernels"]) == (0.03, None)
    assert (two["drop"]["psnr_rgb_drop_db"], two["kernels"]) == (0.07, apart.to_json())
    assert (two["height"], two["width"], two["layers_above_int8"]) == (12, 20, {})
    (alone,) = replace(result, files=(first,)).manifest["files"]
    assert alone == one


def test_infinity_is_no_json_and_a_saved_set_is_named(result):
    first = result.files[0]
    perfect = replace(first, fidelity=replace(first.fidelity, psnr_db=float("inf")))
    made = replace(result, files=(perfect,), saved_set=SourceFile("rd.npz", "ef" * 32))
    manifest = json.loads(json_text(made.manifest))
    assert manifest["fidelity"]["psnr_db"] is None
    source = manifest["representative_dataset"]["source"]
    assert source == {"file": "rd.npz", "sha256": "ef" * 32}
    assert manifest["settings"]["method"] and manifest["settings"]["pictures"] is None


def test_a_network_of_the_users_own_says_where_it_came_from(result):
    origin = {"kind": "Keras 3.4.1", "licence": "unknown, given by the user"}
    network = replace(result.network, origin=origin, channels=1)
    manifest = replace(result, network=network).manifest
    assert manifest["network"]["origin"] == origin and manifest["network"]["channels"] == 1
