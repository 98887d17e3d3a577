import dataclasses
import json

import pytest

from export.exporting.folder import require_free, write_folder
from sr_models.ground.errors import OutputError
from tests.bundles import TWO_SIZES


@pytest.fixture(scope="module")
def result(export_small):
    return export_small("sharpening", TWO_SIZES)


@pytest.fixture
def named(result):
    """The result with what a manifest says of files."""
    first, second = ({"file": file.name} for file in result.files)
    manifest = {"model": dict(first), "files": [first, second]}
    return dataclasses.replace(result, manifest=manifest)


def test_files_and_manifest_go_by_the_same_names(named, tmp_path):
    write_folder(tmp_path / "phone", named, overwrite=False)
    names = sorted(path.name for path in (tmp_path / "phone").iterdir())
    assert names == ["manifest.json", "model_12x20.tflite", "model_16x24.tflite"]
    for file in named.files:
        assert (tmp_path / "phone" / file.name).read_bytes() == file.content
    manifest = json.loads((tmp_path / "phone" / "manifest.json").read_text())
    assert manifest["model"]["file"] == "model_16x24.tflite"
    assert [entry["file"] for entry in manifest["files"]] == names[:0:-1]


def test_rejected_files_are_called_so_in_the_manifest_too(named, tmp_path):
    rejected = dataclasses.replace(named, failures=["fidelity is low"])
    write_folder(tmp_path / "phone", rejected, overwrite=False)
    names = sorted(path.name for path in (tmp_path / "phone").iterdir())
    assert names == ["manifest.json", "rejected_12x20.tflite", "rejected_16x24.tflite"]
    manifest = json.loads((tmp_path / "phone" / "manifest.json").read_text())
    assert manifest["model"]["file"] == "rejected_16x24.tflite"


def test_an_old_export_gives_way_only_where_it_may(named, tmp_path):
    out = tmp_path / "phone"
    require_free(out, overwrite=False)
    out.mkdir()
    (out / "rejected.tflite").write_bytes(b"old")
    with pytest.raises(OutputError, match="--overwrite"):
        require_free(out, overwrite=False)
    require_free(out, overwrite=True)
    write_folder(out, named, overwrite=True)
    assert not (out / "rejected.tflite").exists()


def test_what_is_no_export_is_never_replaced(tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(OutputError, match="diary"):
        require_free(tmp_path, overwrite=True)
