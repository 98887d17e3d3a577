"""Bundles that are sealed anew and still not what they say."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from PIL import Image

from export.bundle.golden import Tolerance, read_pair
from export.bundle.layout import MANIFEST, SUMS
from export.bundle.verification import read_bundle, verify_bundle
from export.bundle.writing import seal
from sr_models.ground.errors import BundleError, OptionError, SrError
from sr_models.tflite.unpacked import unpack


def reseal(bundle: Path, change=lambda manifest: None) -> None:
    """Change the manifest and hash everything anew, as a forger would."""
    manifest = json.loads((bundle / MANIFEST).read_text())
    change(manifest)
    del manifest["files"]
    (bundle / MANIFEST).unlink()
    (bundle / SUMS).unlink()
    seal(bundle, manifest)


def test_a_whole_bundle_reproduces_its_pairs(made_bundle):
    result = verify_bundle(made_bundle)
    assert result.failures == []
    assert len(result.checks) == 6
    assert all(check.found == check.allowed for check in result.checks)
    told = result.to_json()
    assert told["models"] == ["model_16x24.tflite", "model_12x20.tflite"]
    assert told["unchanged_files"] == len(
        [path for path in made_bundle.rglob("*") if path.is_file()]
    )


def test_kernel_paths_can_be_chosen(made_bundle):
    result = verify_bundle(made_bundle, paths=["builtin"])
    assert {check.path for check in result.checks} == {"builtin"}
    with pytest.raises(OptionError):
        verify_bundle(made_bundle, paths=["gpu"])


def test_swapped_models_are_found_behind_a_new_seal(bundle):
    first, second = bundle / "model_16x24.tflite", bundle / "model_12x20.tflite"
    aside = bundle.parent / "aside"
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    reseal(bundle)
    with pytest.raises(BundleError, match=r"expected model_16x24\.tflite with the input"):
        verify_bundle(bundle)


def test_a_manifest_that_describes_another_model_is_found(bundle):
    def change(manifest):
        manifest["models"][0]["output"]["zero_point"] = 3

    reseal(bundle, change)
    with pytest.raises(BundleError, match="with the output of the manifest"):
        verify_bundle(bundle)


def test_a_manifest_of_other_codes_is_found(bundle):
    reseal(bundle, lambda manifest: manifest["interface"].update(dtype="uint8"))
    with pytest.raises(BundleError, match=r"expected uint8 codes in .*, found int8"):
        verify_bundle(bundle)


def test_a_wrong_radius_is_found(bundle):
    reseal(bundle, lambda manifest: manifest["receptive_field"].update(radius=0))
    with pytest.raises(BundleError, match="with the receptive_field of the manifest"):
        verify_bundle(bundle)


def test_a_wrong_scale_is_found(bundle):
    def change(manifest):
        manifest["network"]["scale"] += 1

    reseal(bundle, change)
    with pytest.raises(BundleError, match=r"model_1.*\.tflite to enlarge"):
        verify_bundle(bundle)


def test_a_model_that_is_none_is_found(bundle):
    (bundle / "model_16x24.tflite").write_bytes(b"\0\0\0\0TFL3" + bytes(60))
    reseal(bundle)
    with pytest.raises(Exception, match=r"model_16x24\.tflite"):
        verify_bundle(bundle)


def spoil_output(bundle: Path) -> None:
    """Let the first model's pair expect one pixel that is four codes off."""
    raw, png = bundle / "golden/16x24_output.raw", bundle / "golden/16x24_output.png"
    codes = np.frombuffer(raw.read_bytes(), np.uint8).copy()
    codes[100] ^= 4
    raw.write_bytes(codes.tobytes())
    Image.fromarray((codes ^ 0x80).reshape(32, 48, 3)).save(png)
    reseal(bundle)


def test_a_model_that_no_interpreter_takes_is_named(bundle):
    """Its tables are whole and say what the manifest says, but its weights are off-centre."""
    model = bundle / "model_16x24.tflite"
    file = unpack(model.read_bytes())
    (convolution,) = (op for op in file.graph.operators if op.name == "CONV_2D")
    weights = file.tables.subgraphs[0].tensors[convolution.inputs[1]]
    weights.quantization.zeroPoint = weights.quantization.zeroPoint + 7
    builder = flatbuffers.Builder(1024)
    builder.Finish(file.tables.Pack(builder), file_identifier=b"TFL3")
    model.write_bytes(bytes(builder.Output()))
    reseal(bundle)
    with pytest.raises(SrError, match=r"model_16x24\.tflite"):
        verify_bundle(bundle)


def test_output_that_differs_more_than_it_did_fails_the_gate(bundle):
    spoil_output(bundle)
    result = verify_bundle(bundle, paths=["xnnpack"])
    assert result.checks[0].found == Tolerance(4, 1 / (32 * 48 * 3))
    (failure,) = result.failures
    assert failure.startswith("model_16x24.tflite by xnnpack differs by up to 4 codes")


def test_a_pair_whose_picture_is_another_is_found(bundle):
    shutil.copy(bundle / "golden/12x20_input.png", bundle / "golden/16x24_input.png")
    reseal(bundle)
    with pytest.raises(BundleError, match=r"16x24_input\.png"):
        verify_bundle(bundle)


def test_a_pair_of_the_wrong_size_is_found(bundle):
    (bundle / "golden/16x24_input.raw").write_bytes(b"123")
    reseal(bundle)
    with pytest.raises(BundleError, match=r"found 3"):
        verify_bundle(bundle)


def test_a_picture_that_claims_to_be_huge_is_never_decoded(bundle):
    picture = bundle / "golden/16x24_input.png"
    content = bytearray(picture.read_bytes())
    content[16:24] = struct.pack(">II", 100_000, 100_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    picture.write_bytes(content)
    reseal(bundle)
    with pytest.raises(BundleError, match=r"expected a picture, .*16x24_input\.png"):
        verify_bundle(bundle)


def test_a_size_beyond_all_numbers_is_found(bundle):
    """2^32 times 2^32 is 0 in arithmetic of 64 bits, as many codes as an empty file holds."""
    model = json.loads((bundle / MANIFEST).read_text())["models"][0]
    model["input"]["shape"] = [1, 2**32, 2**32, 3]
    (bundle / model["golden"]["input"]).write_bytes(b"")
    with pytest.raises(BundleError, match=f"expected {3 * 2**64} codes"):
        read_pair(bundle, model)


@pytest.mark.parametrize("path", ["../outside", "/etc/hostname", "a/../../b"])
def test_paths_that_climb_out_are_never_opened(bundle, path):
    def change(manifest):
        manifest["models"][0]["golden"]["input"] = path

    reseal(bundle, change)
    with pytest.raises(BundleError, match="inside of the bundle"):
        read_bundle(bundle)


def test_a_file_that_the_manifest_does_not_hash_is_refused(bundle):
    def change(manifest):
        manifest["models"][0]["file"] = "model_9x9.tflite"

    reseal(bundle, change)
    with pytest.raises(BundleError, match="expected the hash of model_9x9"):
        read_bundle(bundle)


def test_a_manifest_that_is_no_json_is_refused(bundle):
    from export.bundle.layout import sums_text
    from sr_models.ground.files import file_sha256

    for text in ("", "{", "[" * 100_000, "\xff"):
        (bundle / MANIFEST).write_bytes(text.encode("latin-1"))
        sums = sums_text({}, manifest_sha256=file_sha256(bundle / MANIFEST))
        (bundle / SUMS).write_text(sums)
        with pytest.raises(BundleError, match=r"expected JSON in .*manifest\.json"):
            read_bundle(bundle)
