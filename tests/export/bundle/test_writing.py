import json
from dataclasses import replace

import numpy as np
import pytest

from export.bundle.verification import verify_bundle
from export.bundle.writing import export_bundle, read_latency, smallest_twin
from export.exporting.settings import ExportSettings
from sr_models.ground.errors import ConversionError, OptionError, OutputError
from sr_models.ground.sizes import DYNAMIC, Size
from tests.bundles import TWO_SIZES

SMALL = ExportSettings(sizes=(Size(8, 8),))


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_folder_holds_what_was_promised(made_bundle):
    names = set(contents(made_bundle))
    assert {
        "manifest.json",
        "manifest.schema.json",
        "SHA256SUMS",
        "model_card.md",
        "model_16x24.tflite",
        "model_12x20.tflite",
        "card/comparison.png",
        "golden/16x24_input.raw",
        "golden/12x20_output.png",
        "android/README.md",
    } <= names
    assert not [name for name in names if "pycache" in name]


def test_the_same_inputs_give_the_same_bytes(made_bundle, export_small, tmp_path):
    export_bundle("sharpening", TWO_SIZES, out=tmp_path / "again", export=export_small)
    assert contents(tmp_path / "again") == contents(made_bundle)


def test_nothing_of_this_machine_is_inside(made_bundle, tmp_path):
    text = (made_bundle / "manifest.json").read_text() + (made_bundle / "model_card.md").read_text()
    for trace in (str(tmp_path.parent), "/tmp", "/home", "/root"):
        assert trace not in text


def test_a_failed_file_leaves_nothing(export_small, tmp_path):
    def failing(name, settings, **inputs):
        made = export_small(name, settings)
        file = replace(made.files[0], failures=("it is upside down",))
        return replace(made, files=(file,))

    with pytest.raises(ConversionError, match="upside down; nothing was written"):
        export_bundle("a", SMALL, out=tmp_path / "out", export=failing)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_the_old_bundle(bundle, export_small, monkeypatch):
    before = contents(bundle)
    calls = []

    def interrupted(*_):
        calls.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("export.bundle.writing.seal", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_bundle("a", SMALL, out=bundle, export=export_small, overwrite=True)
    assert calls and contents(bundle) == before
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]


def test_a_folder_of_something_else_is_never_replaced(bundle, export_small, tmp_path):
    with pytest.raises(OutputError, match="--overwrite"):
        export_bundle("a", SMALL, out=bundle, export=export_small)
    with pytest.raises(OutputError, match="found a file at"):
        export_bundle("a", SMALL, out=bundle / "SHA256SUMS", export=None, overwrite=True)
    (bundle / "holiday.jpg").write_bytes(b"")
    with pytest.raises(OutputError, match=r"holiday\.jpg"):
        export_bundle("a", SMALL, out=bundle, export=export_small, overwrite=True)


def test_interfaces_that_are_not_pixels_are_refused(export_small, tmp_path):
    """Before any work where the choices tell."""
    for choices, message in (
        ({"io": "float32"}, "found float32; leave --io and"),
        ({"precision": "float32"}, "found float32"),
        ({"sizes": (DYNAMIC,)}, "expected fixed sizes"),
    ):
        with pytest.raises(OptionError, match=message):
            export_bundle("a", ExportSettings(**choices), out=tmp_path / "out", export=None)

    def real(name, settings, **inputs):
        return export_small(name, replace(settings, io="float32"), **inputs)

    with pytest.raises(OptionError, match="int8 codes are RGB pixels"):
        export_bundle("a", SMALL, out=tmp_path / "out", export=real)
    with pytest.raises(
        OptionError, match="expected a type of codes of auto, uint8, int8, found 'int16'"
    ):
        export_bundle("a", SMALL, out=tmp_path / "out", codes="int16", export=None)


def test_uint8_codes_are_kept_on_request(made_bundle, export_small, tmp_path):
    """Their golden pairs hold the pixels of those of int8 codes, and verify as well."""
    out = tmp_path / "bytes"
    options = {"codes": "uint8", "twin": False, "export": export_small}
    manifest = export_bundle("sharpening", TWO_SIZES, out=out, **options)
    assert manifest["interface"]["asked"] == manifest["interface"]["dtype"] == "uint8"
    assert manifest["models"][0]["operators"]["QUANTIZE"] == 2
    assert verify_bundle(out).failures == []
    assert "copy bytes" in (out / "model_card.md").read_text()
    signed = json.loads((made_bundle / "manifest.json").read_text())
    assert signed["interface"] | {"asked": "uint8", "dtype": "uint8"} == manifest["interface"]
    assert "QUANTIZE" not in signed["models"][0]["operators"]
    for part in ("input", "output"):
        codes, pixels = (
            np.frombuffer((folder / f"golden/16x24_{part}.raw").read_bytes(), np.uint8)
            for folder in (made_bundle, out)
        )
        assert np.array_equal(codes ^ 0x80, pixels)
        picture = f"golden/16x24_{part}.png"
        assert (made_bundle / picture).read_bytes() == (out / picture).read_bytes()


def test_codes_that_are_converted_in_any_case_stay_uint8(export_small, monkeypatch, tmp_path):
    chosen = []

    def export(name, settings, **inputs):
        chosen.append(settings.files.io)
        return export_small(name, settings, **inputs)

    monkeypatch.setattr("export.bundle.interface.FLIP", 1e9)
    manifest = export_bundle("a", SMALL, out=tmp_path / "out", twin=False, export=export)
    assert chosen == ["int8", "uint8"]
    assert manifest["interface"]["dtype"] == manifest["models"][0]["input"]["dtype"] == "uint8"
    assert manifest["interface"]["asked"] == "auto" and manifest["settings"]["io"] == "uint8"


def test_timings_are_taken_for_the_very_files(made_bundle, export_small, tmp_path):
    sha = json.loads((made_bundle / "manifest.json").read_text())["files"]["model_16x24.tflite"][
        "sha256"
    ]
    row = {
        "model": "phone/model_16x24.tflite",
        "sha256": sha,
        "median_ms": 1.25,
        "delegate": "xnnpack",
        "threads": 1,
    }
    timings = tmp_path / "latency.json"
    timings.write_text(json.dumps({"results": [row], "machine": {"cpu": "a made-up one"}}))
    options = {"export": export_small, "twin": False}
    manifest = export_bundle("a", TWO_SIZES, out=tmp_path / "out", latency=timings, **options)
    assert manifest["latency"]["results"] == [row]
    card = (tmp_path / "out" / "model_card.md").read_text()
    assert "| model_16x24.tflite | xnnpack | 1 | 1.25 ms |" in card and "a made-up one" in card
    row["sha256"] = "0" * 64
    timings.write_text(json.dumps({"results": [row], "machine": {}}))
    with pytest.raises(OptionError, match="found one of 000000000000"):
        export_bundle("a", TWO_SIZES, out=tmp_path / "other", latency=timings, **options)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("text", ["", "{}", '{"results": [], "machine": {}}', "[1]", "{"])
def test_other_files_are_no_timings(tmp_path, text):
    (tmp_path / "latency.json").write_text(text)
    with pytest.raises(OptionError, match="sr-bench latency --json"):
        read_latency(tmp_path / "latency.json")


def test_the_twin_is_what_people_export_today():
    made = smallest_twin(ExportSettings(sizes=(Size(16, 24), Size(12, 20)), pictures=7))
    assert made.files.sizes == (Size(12, 20),)
    chosen = made.quantizing
    assert (chosen.tail, chosen.recipe, chosen.calibrator) == ("clip", "natural", "converter")
    assert made.shaping.pictures == 7
    kept = ExportSettings(precision="mixed", kept=("mix",), kept_precision="int16x8")
    assert smallest_twin(kept).quantizing.kept == ()


@pytest.mark.slow
def test_a_preset_becomes_a_bundle_that_verifies(picture_folder, tmp_path):
    settings = ExportSettings(
        sizes=(Size(16, 24), Size(24, 16)), pictures=8, tile_side=24, method="cfqp"
    )
    out = tmp_path / "phone"
    manifest = export_bundle("quicksrnet_s_x2", settings, out=out, images=picture_folder)
    assert [model["file"] for model in manifest["models"]] == [
        "model_16x24.tflite",
        "model_24x16.tflite",
    ]
    assert manifest["receptive_field"] == {"radius": 4, "alignment": 1, "scale": 2}
    assert manifest["quality"]["int8_drop"]["pictures"] >= 1
    assert manifest["clipped_twin"]["clip_ops"] == 2
    assert manifest["licences"]["calibration_pictures"] == "not stated"
    assert any("BSDS" in row["folder"] for row in manifest["licences"]["weights"])
    assert verify_bundle(out).failures == []
