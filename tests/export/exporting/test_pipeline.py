import dataclasses
import json

import pytest

from export.exporting import job as pipeline
from export.exporting.front_door import export_model
from export.exporting.job import run_export
from export.exporting.outlook import planned_parts
from export.exporting.settings import ExportSettings
from export.inspecting.audit import audit_model
from sr_models.ground.errors import (
    CalibrationError,
    ConversionError,
    OptionError,
    OutputError,
    UnknownModelError,
)
from sr_models.ground.files import file_sha256
from sr_models.ground.sizes import Size
from sr_models.networks.tails import attach_tail

# Without what takes seconds and is tested by itself.
SMALL = {"sizes": (Size(16, 24),), "pictures": 12, "tile_side": 32, "method": "cfqp"}
# A preset that takes half as long as XLSR.
QUICK = "quicksrnet_s_x2"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def quick(picture_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("quick") / "phone"
    result = export_model(QUICK, ExportSettings(**SMALL), out=out, images=picture_folder)
    return out, result


def test_the_folder_holds_a_proven_file_and_its_manifest(quick):
    out, result = quick
    assert sorted(p.name for p in out.iterdir()) == ["manifest.json", "model.tflite"]
    audit = audit_model(out / "model.tflite")
    assert audit.full_integer and audit.pixel_contract.holds and not audit.clip_ops
    assert audit == result.audit
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["accepted"] and manifest["failures"] == []
    assert manifest["model"]["sha256"] == audit.sha256
    assert manifest["network"]["name"] == QUICK
    assert manifest["settings"]["sizes"] == [{"height": 16, "width": 24}]
    assert manifest["fidelity"]["psnr_db"] > 30.0
    # What the manifest says of kernels: the integer simulation is the builtin kernels' own.
    apart = manifest["kernels"]
    assert apart["builtin_from_integer_simulation"]["differing_fraction"] == 0.0
    assert apart["xnnpack_from_float_simulation"]["differing_fraction"] <= 0.01
    assert manifest["versions"]["tensorflow"].startswith("2.")
    assert manifest["ranges"]["tensors"]["depth_to_space"]["maximum"] == 1.0
    (file,) = manifest["files"]
    assert file["kernels"] == apart and file["file"] == "model.tflite"


def test_calibration_and_held_out_pictures_are_different(quick):
    _, result = quick
    calibration = {r["source_sha256"] for r in result.manifest["representative_dataset"]["records"]}
    held_out = {picture["sha256"] for picture in result.manifest["fidelity"]["held_out"]}
    assert held_out and not held_out & calibration


def test_an_existing_folder_is_refused_before_any_work(quick, monkeypatch):
    out, _ = quick
    monkeypatch.setattr(
        "export.exporting.front_door.run_export", lambda *_, **__: pytest.fail("work was done")
    )
    with pytest.raises(OutputError, match="--overwrite"):
        export_model(QUICK, ExportSettings(**SMALL), out=out)


def test_a_file_that_breaks_the_contract_is_not_written(picture_folder, tmp_path):
    """Natural pictures, range by the pictures alone: the fault that CFQP is about."""
    settings = ExportSettings(**{**SMALL, "method": "natural"}, pure=True)
    out = tmp_path / "phone"
    with pytest.raises(ConversionError, match=r"calibration picture \w+\.png reaches 1\.") as e:
        export_model(QUICK, settings, out=out, images=picture_folder)
    assert "nothing was written" in str(e.value)
    assert list(tmp_path.iterdir()) == []


def test_a_rejected_file_is_kept_under_its_own_name_on_request(picture_folder, tmp_path):
    settings = ExportSettings(**{**SMALL, "method": "natural"}, calibrator="converter")
    out = tmp_path / "phone"
    with pytest.raises(ConversionError, match=r"rejected\.tflite"):
        export_model(QUICK, settings, out=out, images=picture_folder, keep_rejected=True)
    assert sorted(p.name for p in out.iterdir()) == ["manifest.json", "rejected.tflite"]
    manifest = json.loads((out / "manifest.json").read_text())
    assert not manifest["accepted"] and "scale" in manifest["failures"][0]


def test_the_pure_mode_keeps_the_contract_by_pictures_alone(picture_folder, tmp_path):
    settings = ExportSettings(**SMALL, pure=True)
    result = export_model(QUICK, settings, out=tmp_path / "p", images=picture_folder)
    (output,) = result.audit.outputs
    assert output.scale != pytest.approx(1 / 255, rel=1e-9)  # not written, found
    assert output.scale == pytest.approx(1 / 255, abs=1 / 255 / 510)


def test_an_unfaithful_file_is_rejected_for_all_that_it_lacks(picture_folder, tmp_path):
    settings = ExportSettings(**SMALL, minimum_fidelity_db=90.0, max_drop_db=0.001)
    with pytest.raises(ConversionError, match="fidelity to the float network is") as caught:
        export_model(QUICK, settings, out=tmp_path / "p", images=picture_folder)
    assert "PSNR drops by" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_name_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(UnknownModelError, match="xlsr_x3"):
        export_model("xslr_x3", out=tmp_path / "p")


def test_a_saved_set_gives_the_file_that_shaping_it_gives(quick, picture_folder, tmp_path):
    out, result = quick
    result.dataset.save(tmp_path / "rd.npz")
    again = export_model(
        QUICK,
        ExportSettings(**SMALL),
        out=tmp_path / "p",
        images=picture_folder,
        dataset=tmp_path / "rd.npz",
    )
    assert again.content == (out / "model.tflite").read_bytes()
    calibrated = {record.source_sha256 for record in result.dataset.records}
    held_out = {picture["sha256"] for picture in again.manifest["fidelity"]["held_out"]}
    assert held_out and not calibrated & held_out
    # Its manifest names the set, and the recipe.
    settings, made = again.manifest["settings"], again.manifest["representative_dataset"]
    assert (settings["method"], settings["seed"]) == ("cfqp", 0)
    assert all(settings[n] is None for n in ("pictures", "tile_side", "taming", "anchors"))
    assert made["source"] == {"file": "rd.npz", "sha256": file_sha256(tmp_path / "rd.npz")}
    shaping = made["settings"]
    assert (shaping["tile_side"], shaping["seed"]) == (32, 0)
    assert shaping["taming"]["method"] == "contrast"


def test_a_set_of_other_weights_is_refused(quick, tmp_path):
    _, result = quick
    foreign = dataclasses.replace(result.dataset, weights_sha256="0" * 64)
    foreign.save(tmp_path / "rd.npz")
    with pytest.raises(CalibrationError, match="make a new one with sr-calibrate"):
        export_model(
            QUICK, ExportSettings(**SMALL), out=tmp_path / "p", dataset=tmp_path / "rd.npz"
        )


def test_a_lone_picture_is_never_its_own_proof(picture_folder, tmp_path):
    one = tmp_path / "one"
    one.mkdir()
    picture = sorted(picture_folder.iterdir())[0]
    for name in ("a.png", "copy.png"):
        (one / name).write_bytes(picture.read_bytes())
    export = pipeline.Export(QUICK, ExportSettings(**SMALL), images=one)
    export.shape()
    held_out = {tile.source for tile in export.held_out}
    assert held_out == {"astronaut.png", "chelsea.png", "coffee.png"}


def test_a_set_of_other_pictures_than_the_recipe_names_is_refused(quick, picture_folder, tmp_path):
    _, result = quick
    dataclasses.replace(result.dataset, method="natural").save(tmp_path / "rd.npz")
    with pytest.raises(OptionError, match="found one of natural pictures; give --method natural"):
        run_export(QUICK, ExportSettings(**SMALL), dataset=tmp_path / "rd.npz")
    stages = []
    pure = ExportSettings(sizes=(Size(16, 24),), pure=True)
    made = run_export(
        QUICK, pure, images=picture_folder, dataset=tmp_path / "rd.npz", on_stage=stages.append
    )
    assert made.manifest["settings"]["method"] == made.ranges.method == "natural"
    assert any(stage.endswith("natural pictures: the recipe is natural") for stage in stages)


def test_an_export_again_gives_the_same_bytes_and_derives_nothing_twice(
    quick, picture_folder, tmp_path, monkeypatch
):
    tails, hashed = [], []

    def attached(trunk, tail, *, scale):
        tails.append(tail)
        return attach_tail(trunk, tail, scale=scale)

    def sha256(path):
        hashed.append(path.name)
        return file_sha256(path)

    monkeypatch.setattr(pipeline, "attach_tail", attached)
    for module in ("export.exporting.shaping", "representative_data.tiles"):
        monkeypatch.setattr(f"{module}.file_sha256", sha256)
    out = tmp_path / "again"
    said, done = [], []
    watched = {"on_stage": said.append, "on_progress": lambda *step: done.append(step)}
    settings = ExportSettings(**SMALL)
    made = export_model(QUICK, settings, out=out, images=picture_folder, **watched)
    assert sorted(tails) == ["clip", "none", "relu"]
    assert sorted(hashed) == sorted(path.name for path in picture_folder.iterdir())
    for name in ("model.tflite", "manifest.json"):
        assert (out / name).read_bytes() == (quick[0] / name).read_bytes()
    # Every part of the work that is planned begins, in its order, and what is done grows.
    parts = planned_parts(made.network.trunk, made.settings)
    assert [stage for stage in said if stage in parts] == list(parts)
    assert done == sorted(done) and len({total for _, total in done}) == 1


@pytest.mark.parametrize("tail", ["clip", "conv_clip"])
def test_a_tail_that_bounds_the_output_does_not_hide_what_must_be_tamed(tail, picture_folder):
    export = pipeline.Export(QUICK, ExportSettings(**SMALL, tail=tail), images=picture_folder)
    export.shape()
    assert export.dataset.count("tamed") > 0


def test_auto_stops_at_the_first_recipe_that_is_good_enough(picture_folder):
    stages = []
    settings = ExportSettings(**{**SMALL, "method": "auto"}, max_drop_db=2.0)
    result = run_export(QUICK, settings, images=picture_folder, on_stage=stages.append)
    assert result.ranges.method == "cfqp" and result.failures == []
    lost = result.manifest["drop"]["psnr_rgb_drop_db"]
    assert 0.0 < lost <= 2.0
    # What the simulation loses, which decides; the manifest has the file's.
    (said,) = [stage for stage in stages if stage.startswith("cfqp loses ")]
    assert float(said.split()[2]) == pytest.approx(lost, abs=0.1)
