import numpy as np
import pytest

import export.stripping.mending
from export.inspecting.audit import audit_model
from export.inspecting.inspection import inspect_model
from export.stripping.mending import mend_io
from export.stripping.repair_io import repair, repairable_sides
from sr_models.ground.errors import ModelFileError
from sr_models.quantization.grids import Grid
from sr_models.tflite.files import read_model
from sr_models.tflite.unpacked import unpack
from sr_models.tflite.writing import pack_model
from tests.enlarging_files import enlarging_file
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


def test_a_good_file_of_negative_values_comes_back_as_it_is(sandbox):
    grid = Grid("uint8", float(np.float32(2 / 255)), 127)
    content = enlarging_file(low=grid, high=grid, inner=Grid("int8", grid.scale, -1))
    found = mended(content, sandbox)
    assert found.content == content and found.repairs == () and found.obstacles == ()
    assert found.to_json()["pixels"]["pixels_out"] == [-1.0, 1.0]


@pytest.mark.parametrize("zero_point", [120, 135])
def test_a_loose_output_of_negative_values_gets_their_grid(zero_point, sandbox):
    """The nearer of the two grids of -1..1, whose 0 lies between two codes, is taken."""
    grid = Grid("uint8", float(np.float32(2 / 255)), 127)
    loose = Grid("int8", float(np.float32(2.3 / 255)), zero_point - 128)
    content = enlarging_file(
        low=grid, high=loose.as_dtype("uint8"), inner=Grid("int8", grid.scale, -1), inner_high=loose
    )
    found = mended(content, sandbox)
    after = found.repairs[0].after
    assert after.scale == grid.scale and after.zero_point == (127 if zero_point < 127 else 128)
    assert audit_model(found.content).pixel_contract.holds


def test_inspect_advises_a_repair_only_where_there_is_one(sandbox):
    """Both ends at first, none once they are mended, and never what cannot be had."""

    def advice(content):
        found = inspect_model(content, repairs=repairable_sides).findings
        return [f.fix for f in found if f.id == "contract"]

    content = file_with(DARK, LOOSE)
    assert advice(content) == ["sr-export strip --repair-io"] * 2
    assert advice(mended(content, sandbox).content) == []
    too_coarse = file_with(WHITE, Grid("uint8", 2.4, 40))
    assert advice(too_coarse) == ["export it clip-free with CFQP"]


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
