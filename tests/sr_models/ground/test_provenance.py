import platform

from sr_models.ground.files import file_sha256, tool_versions


def test_the_hash_is_sha256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert file_sha256(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_versions_name_python_and_what_is_missing():
    versions = tool_versions(["numpy", "no-such-package"])
    assert versions["python"] == platform.python_version()
    assert versions["numpy"][0].isdigit()
    assert versions["no-such-package"] == "not installed"
