import hashlib
import os

import pytest

from export.exporting.conversion import convert_float
from export.running.interpreters import open_model
from sr_models.ground.errors import ModelFileError, UnknownModelError
from sr_models.networks.presets import get_preset
from sr_models.tflite.files import MAX_BYTES, read_model


@pytest.fixture(scope="module")
def content(sharpening):
    return convert_float(sharpening, height=4, width=4)


def test_a_file_is_its_name_its_content_and_its_hash(content, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    model = read_model(path)
    assert model.data == content
    assert model.to_json() == {
        "model": str(path),
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert read_model(str(path)) == model
    assert read_model(path, name="ours").name == "ours"
    assert "TFL3" not in repr(model)


def test_content_from_elsewhere_can_be_named(content):
    assert read_model(content).name == "<bytes>"
    assert read_model(bytearray(content), name="made").name == "made"
    assert read_model(bytearray(content)).data == content


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"", "an empty one"),
        (b"T", "none of its marks"),
        (b"\x1c\0\0\0TFL", "none of its marks"),
        (b"this is a text that is no model at all", "none of its marks"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "none of its marks"),
        (bytes(4096), "none of its marks"),
    ],
)
def test_other_content_is_refused_in_one_line(bad, said, tmp_path):
    path = tmp_path / "bad.tflite"
    path.write_bytes(bad)
    for source in (path, bad):
        with pytest.raises(ModelFileError, match=r"expected a \.tflite file") as caught:
            read_model(source)
        assert said in str(caught.value) and "\n" not in str(caught.value)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(ModelFileError, match="no such file"):
        read_model(tmp_path / "none.tflite")
    with pytest.raises(ModelFileError, match="found a folder"):
        read_model(tmp_path)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(ModelFileError, match="expected a"):
        read_model(tmp_path / "file" / "below.tflite")


def test_a_dangling_link_is_a_missing_file(tmp_path):
    (tmp_path / "link.tflite").symlink_to(tmp_path / "none")
    with pytest.raises(ModelFileError, match="no such file"):
        read_model(tmp_path / "link.tflite")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.tflite")
    with pytest.raises(ModelFileError, match="a device or pipe"):
        read_model(tmp_path / "pipe.tflite")


def test_a_name_that_no_file_can_have(tmp_path):
    for name in ("x" * 5000, "nul\0byte"):
        with pytest.raises(ModelFileError, match="expected a"):
            read_model(tmp_path / name)


def test_a_file_beyond_the_limit_of_flatbuffers_is_not_read(tmp_path):
    path = tmp_path / "huge.tflite"
    with path.open("wb") as file:
        # Sparse: it takes no room.
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ModelFileError, match="2 GiB"):
        read_model(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(content, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    path.chmod(0)
    with pytest.raises(ModelFileError, match="check its permissions"):
        read_model(path)


def test_truncated_files_are_refused_when_they_are_opened(content):
    for length in range(8, len(content) - 1, max(1, len(content) // 40)):
        with pytest.raises(ModelFileError) as caught:
            open_model(content[:length])
        assert "\n" not in str(caught.value)


def test_networks_of_other_kinds_are_sent_to_the_export(tmp_path):
    (tmp_path / "saved").mkdir()
    for place in ("saved/saved_model.pb", "net.keras", "net.onnx"):
        (tmp_path / place).write_bytes(b"some other file")
    for source in (*(tmp_path / name for name in ("saved", "net.keras", "net.onnx")), "xlsr_x3"):
        with pytest.raises(ModelFileError, match=f"sr-export model {source} --out DIR"):
            read_model(source)
    with pytest.raises(ModelFileError, match=r"no such file: .*; check the spelling"):
        read_model(tmp_path / "none.keras")
    with pytest.raises(UnknownModelError, match=r"found a path: net\.keras; sr-export"):
        get_preset("net.keras")
