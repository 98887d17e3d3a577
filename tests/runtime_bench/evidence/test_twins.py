import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from export.exporting.settings import ExportSettings
from runtime_bench.evidence import twin_files
from runtime_bench.evidence.layer_file import Kernel, LayerFile
from runtime_bench.evidence.twin_files import SIDE, both_settings, export_twins, shipped_presets
from runtime_bench.evidence.twins import TwinRow, products_of
from sr_models.ground.errors import ConversionError, OutputError, UnknownModelError
from sr_models.ground.sizes import Size
from sr_models.networks.card import find_card
from sr_models.networks.presets import PRESETS, get_preset
from sr_models.quantization.grids import Grid

PRESET = get_preset("etds_t_x3")


def test_presets_without_weights_are_left_out():
    names = [preset.name for preset in shipped_presets()]
    assert "xlsr_x3" in names and "rdn_x2" not in names
    assert names == [name for name in sorted(PRESETS) if find_card(PRESETS[name])]


def test_patterns_choose_each_preset_once():
    found = [preset.name for preset in shipped_presets(["xlsr*", "xlsr_x3", "etds_t_x3"])]
    assert found == ["xlsr_x2", "xlsr_x3", "xlsr_x4", "etds_t_x3"]
    with pytest.raises(UnknownModelError, match="did you mean xlsr_x3"):
        shipped_presets(["xslr_x3"])
    with pytest.raises(UnknownModelError, match=r"weights, found none for rdn\*"):
        shipped_presets(["rdn*"])


def test_the_twin_is_what_people_ship():
    found = both_settings()
    assert list(found) == ["clipped", "clip_free"]
    clipped = found["clipped"].quantizing
    assert (clipped.method, clipped.tail) == ("natural", "clip")
    assert found["clip_free"] == ExportSettings(sizes=(Size(SIDE, SIDE),))
    asked = ExportSettings(sizes=(Size(24, 32),), method="cfqp", io="int8")
    found = both_settings(asked)
    assert found["clip_free"] == asked
    # Clipped files are shipped with uint8 codes.
    assert found["clipped"].files == replace(asked.files, io="uint8")


def test_the_share_of_the_peak_counts_what_the_clipped_file_multiplies():
    file = LayerFile("one")
    x = file.tensor("x", (1, 8, 6, 3), Grid("int8", 0.02, 0))
    kernel = Kernel(np.ones((3, 3, 3, 4), np.float32), np.zeros(4, np.float32))
    made = file.convolve(x, kernel, name="y", grid=Grid("int8", 0.1, 0))
    content = file.content([x], [made])
    products = products_of(content, height=16, width=60)
    assert products == 16 * 60 * 3 * 3 * 3 * 4
    timed = SimpleNamespace(candidate=SimpleNamespace(summary=SimpleNamespace(median_ms=2.0)))
    row = TwinRow("one", {1: timed}, products, peak_per_ns=0.1)
    # At the peak the products would take 1.0368 ms.
    assert row.peak_share == pytest.approx(1.0368 / 2.0)
    assert TwinRow("one", {2: timed}, products, peak_per_ns=0.1).peak_share is None


@pytest.fixture
def exports(monkeypatch):
    """What was exported, by settings; nothing is."""
    made = []

    def exported(preset, settings):
        made.append((preset.name, settings.quantizing.tail))
        return f"{preset.name} {settings.quantizing.tail} {len(made)}".encode()

    monkeypatch.setattr(twin_files, "_exported", exported)
    return made


def test_files_are_made_once(exports, tmp_path):
    said = []
    first = export_twins(PRESET, tmp_path / "new", on_stage=said.append)
    assert exports == [("etds_t_x3", "clip"), ("etds_t_x3", "relu")] and len(said) == 2
    assert first.clipped.read_bytes() == b"etds_t_x3 clip 1"
    assert first.clip_free.read_bytes() == b"etds_t_x3 relu 2"
    assert export_twins(PRESET, tmp_path / "new", on_stage=said.append) == first
    assert len(exports) == len(said) == 2


@pytest.mark.parametrize("change", ["file", "note", "no note", "weights", "settings"])
def test_a_file_that_is_not_the_same_is_made_anew(change, exports, tmp_path, monkeypatch):
    found = export_twins(PRESET, tmp_path)
    settings, note = None, found.clip_free.with_suffix(".json")
    if change == "file":
        found.clip_free.write_bytes(b"another")
    elif change == "note":
        note.write_text("{")
    elif change == "no note":
        note.unlink()
    elif change == "weights":
        note.write_text(json.dumps({**json.loads(note.read_text()), "weights": "others"}))
    else:
        settings = ExportSettings(sizes=(Size(SIDE, SIDE),), method="cfqp")
    export_twins(PRESET, tmp_path, settings)
    assert exports[2:] == [("etds_t_x3", "relu")]
    assert found.clip_free.read_bytes() == b"etds_t_x3 relu 3"


def test_a_folder_that_cannot_be_made_is_said(exports, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="a file stands where"):
        export_twins(PRESET, tmp_path / "file" / "folder")


@pytest.mark.parametrize("tail", ["clip", "relu"])
def test_only_the_clip_free_file_must_be_accepted(tail, monkeypatch):
    import types

    from export.exporting import job as pipeline

    result = types.SimpleNamespace(failures=["fidelity is low"], content=b"content")
    monkeypatch.setattr(pipeline, "run_export", lambda name, settings: result)
    settings = ExportSettings(tail=tail)
    if tail == "clip":
        assert twin_files._exported(PRESET, settings) == b"content"
    else:
        with pytest.raises(ConversionError, match=r"etds_t_x3 that can be.*fidelity is low"):
            twin_files._exported(PRESET, settings)
