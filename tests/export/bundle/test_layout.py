import os

import pytest

from export.bundle.layout import (
    golden_file,
    inventory,
    require_inside,
    require_no_empty_folder,
)
from sr_models.ground.errors import BundleError


def test_names_tell_the_size():
    assert golden_file(3, 4, part="input", kind="raw") == "golden/3x4_input.raw"


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "a/./b",
        ".hidden",
        "a/.b",
        "C:\\x",
        "a\\b",
        "",
        "a b",
        "a\nb",
        "~/x",
    ],
)
def test_paths_that_could_lead_out_are_refused(path):
    with pytest.raises(BundleError, match="inside of the bundle"):
        require_inside(path)


def test_plain_paths_are_taken():
    for path in ("manifest.json", "golden/3x4_input.raw", "android/src/main/A-b_c.kt"):
        assert require_inside(path) == path


def test_files_are_listed_and_nothing_else_is_allowed(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_text("")
    (tmp_path / "a").write_text("")
    assert inventory(tmp_path) == ["a", "b/c"]
    for kind, make in (
        ("a link", lambda path: path.symlink_to(tmp_path / "a")),
        ("a link", lambda path: path.symlink_to(tmp_path)),
        ("a device or pipe", os.mkfifo),
    ):
        odd = tmp_path / "b" / "odd"
        make(odd)
        with pytest.raises(BundleError, match=f"{kind}: .*odd"):
            inventory(tmp_path)
        odd.unlink()


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_text("")
    require_no_empty_folder(tmp_path)
    (tmp_path / "b" / "odd").mkdir()
    with pytest.raises(BundleError, match=r"an empty folder: .*odd"):
        require_no_empty_folder(tmp_path)


def test_a_bundle_must_be_a_real_folder(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name, kind in (("none", "no such path"), ("file", "a file"), ("link", "a link")):
        with pytest.raises(BundleError, match=f"found {kind}"):
            inventory(tmp_path / name)
