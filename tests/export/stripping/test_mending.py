import numpy as np
import pytest

import export.stripping.mending
from export.inspecting.audit import audit_model
from export.stripping.mending import mend_io
from export.stripping.repair_io import repair
from export.tflite.editing import pack_model
from export.tflite.files import read_model
from export.tflite.unpacked import unpack
from sr_models.ground.errors import ModelFileError
from sr_models.quantization.grids import Grid
from tests.export.stripping.test_repair_io import DARK, WHITE, file_with

LOOSE = Grid("uint8", float(np.float32(1.66364)), 59)


def mended(content, sandbox):
    return mend_io(read_model(content), sandbox=sandbox)


def test_both_ends_are_repaired_and_checked(sandbox):
    found = mended(file_with(DARK, LOOSE), sandbox)
    assert [one.role for one in found.repairs] == ["input", "output"]
    assert audit_model(found.content).pixel_contract.holds
    assert found.max_abs_code_difference <= 1
    assert found.sha256 == audit_model(found.content).sha256
    data = found.to_json()
    assert data["repaired"][0]["before"]["scale"] == DARK.scale and data["not_repaired"] == []


def test_a_good_file_comes_back_as_it_is(sandbox):
    content = file_with(WHITE, WHITE)
    found = mended(content, sandbox)
    assert found.content == content and found.repairs == ()


def test_what_cannot_be_repaired_is_told(sandbox):
    found = mended(file_with(DARK, Grid("uint8", 2.4, 40)), sandbox)
    assert [one.role for one in found.repairs] == ["input"]
    assert "could change by 2" in found.obstacles[0]


@pytest.mark.parametrize(("entry", "leave"), [(DARK, WHITE), (WHITE, LOOSE)])
def test_a_botched_repair_is_never_handed_over(entry, leave, sandbox, monkeypatch):
    def botched(model, repairs):
        tables = unpack(repair(model, repairs)).tables
        kernel = tables.subgraphs[0].operators[1].inputs[1]
        buffer = tables.buffers[tables.subgraphs[0].tensors[kernel].buffer]
        buffer.data = np.frombuffer(buffer.data.tobytes()[::-1], np.uint8)
        return pack_model(tables)

    monkeypatch.setattr(export.stripping.mending, "repair", botched)
    with pytest.raises(ModelFileError, match="pixels differ by"):
        mended(file_with(entry, leave), sandbox)
