"""Memory that runs out in each long step of an export: one line that names it, nothing written."""

from dataclasses import replace

import pytest
import tensorflow as tf

from export.exporting import job, shaping, strides
from export.exporting.front_door import export_model
from export.exporting.settings import ExportSettings
from export.quantizing.quantized_network import Evidence
from sr_models.ground.errors import ResourceError
from sr_models.ground.memory import memory_budget
from sr_models.ground.sizes import Size
from tests.strangers import stranger

SETTINGS = ExportSettings(
    sizes=(Size(16, 16),), method="cfqp", pictures=4, tile_side=24, minimum_fidelity_db=0.0
)


def exhausted(*_, **__):
    raise tf.errors.ResourceExhaustedError(
        None, None, "OOM when allocating tensor with shape[16,768,768,432] and type float"
    )


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("open_network", r"opening the network, .*lower the size"),
        ("build_dataset", r"shaping the representative dataset, .*--tile-side"),
        ("gather_evidence", r"quantizing stranger, .*--memory-budget"),
        ("quantize", r"quantizing stranger, .*--memory-budget"),
        ("convert", r"converting, .*lower --size"),
        ("read_back", r"running the files, .*lower --size"),
    ],
)
def test_a_shortage_in_a_long_step_is_one_line(step, said, picture_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(job, step, exhausted)
    if step not in ("open_network", "build_dataset"):
        monkeypatch.setattr(job, "KernelMeter", lambda *_: None)
    with pytest.raises(ResourceError, match=said) as error:
        export_model(stranger(), SETTINGS, out=tmp_path / "phone", images=picture_folder)
    assert "a tensor of float [16,768,768,432]" in str(error.value)
    assert "\n" not in str(error.value) and not (tmp_path / "phone").exists()


def test_tiles_that_were_made_smaller_stand_in_the_manifest(picture_folder, monkeypatch):
    said = []
    monkeypatch.setattr(strides, "fitting_tiles", lambda model, count, **unused: (count, 16))
    with memory_budget("1GiB"):
        made = job.run_export(stranger(), SETTINGS, images=picture_folder, on_stage=said.append)
    assert made.manifest["settings"]["tile_side"] == 16
    assert {picture.shape[:2] for picture in made.dataset.pictures} == {(16, 16)}


def test_methods_look_at_no_more_pictures_than_there_is_room_for(picture_folder, monkeypatch):
    seen = []
    stack = Evidence.stack

    def counted(self, count):
        found = stack(self, count)
        seen.append((self.room, len(found)))
        return found

    monkeypatch.setattr(Evidence, "stack", counted)
    monkeypatch.setattr(shaping, "pictures_at_once", lambda model, height, width, most: 2)
    settings = replace(SETTINGS, method="cfqp+equalize")
    assert job.run_export(stranger(), settings, images=picture_folder).failures == []
    assert seen and set(seen) == {(2, 2)}
