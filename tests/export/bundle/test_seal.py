"""Every byte of a bundle is sealed, and a message names the file that changed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from export.bundle.layout import COMPARISON, MANIFEST, SUMS, hash_files, sums_text
from export.bundle.verification import read_bundle
from sr_models.ground.errors import BundleError


def test_the_bundle_as_it_was_made_is_whole(made_bundle):
    assert len(read_bundle(made_bundle)["models"]) == 2


def test_a_change_of_any_byte_names_the_file(bundle):
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    assert len(files) > 12
    for path in files:
        content = path.read_bytes()
        places = range(0, len(content), max(1, len(content) // 5))
        for place in {*places, len(content) - 1}:
            spoiled = bytearray(content)
            spoiled[place] ^= 1
            path.write_bytes(spoiled)
            with pytest.raises(BundleError, match=path.relative_to(bundle).as_posix()):
                read_bundle(bundle)
        path.write_bytes(content)
    read_bundle(bundle)


def test_every_byte_of_the_sums_counts(bundle):
    content = (bundle / SUMS).read_bytes()
    for place in range(0, len(content), 23):
        spoiled = bytearray(content)
        spoiled[place] = spoiled[place] ^ 2
        (bundle / SUMS).write_bytes(spoiled)
        with pytest.raises(BundleError, match=SUMS):
            read_bundle(bundle)
    for other in (content + b"\n", content[:-1], b"", content.replace(b"\n", b"\r\n")):
        (bundle / SUMS).write_bytes(other)
        with pytest.raises(BundleError, match=SUMS):
            read_bundle(bundle)


def test_missing_extra_and_swapped_files_are_named(bundle):
    (bundle / "golden" / "more.png").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"found golden/more\.png"):
        read_bundle(bundle)
    (bundle / "golden" / "more.png").unlink()
    # The comparison is the only file of its folder.
    for name in ("model_16x24.tflite", MANIFEST, SUMS, "golden/16x24_output.png", COMPARISON):
        (bundle / name).rename(bundle.parent / "aside")
        with pytest.raises(BundleError, match=f"expected {name} in"):
            read_bundle(bundle)
        (bundle.parent / "aside").rename(bundle / name)
    first, second = bundle / "model_16x24.tflite", bundle / "model_12x20.tflite"
    first.rename(bundle.parent / "aside")
    second.rename(first)
    (bundle.parent / "aside").rename(second)
    with pytest.raises(BundleError, match=r"model_1\dx2\d\.tflite"):
        read_bundle(bundle)


def test_a_manifest_without_end_is_not_read(bundle):
    for name in (SUMS, MANIFEST):
        with (bundle / name).open("ab") as file:
            file.truncate(2**40)  # A sparse file: it takes no room.
        with pytest.raises(BundleError, match=f"in {name}, found {2**40}"):
            read_bundle(bundle)


def test_links_are_refused_even_to_the_same_bytes(bundle):
    model = bundle / "model_16x24.tflite"
    shutil.copy(model, bundle.parent / "elsewhere")
    model.unlink()
    model.symlink_to(bundle.parent / "elsewhere")
    with pytest.raises(BundleError, match=r"a link: .*model_16x24\.tflite"):
        read_bundle(bundle)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum on this machine")
def test_the_sums_are_those_of_sha256sum(bundle):
    done = subprocess.run(["sha256sum", "-c", "--strict", SUMS], cwd=bundle, capture_output=True)
    assert done.returncode == 0, done.stdout


def test_sums_are_sorted_by_name(tmp_path):
    (tmp_path / "b").write_text("b")
    (tmp_path / "a").write_text("a")
    files = hash_files(tmp_path, ["b", "a"])
    assert list(files) == ["a", "b"]
    text = sums_text(files, manifest_sha256="f" * 64)
    assert [line.split("  ")[1] for line in text.splitlines()] == ["a", "b", MANIFEST]
    # SHA-256 of the one letter a, from the algorithm's own test vectors.
    assert text.startswith("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb")
