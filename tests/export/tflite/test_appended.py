import io
import struct
import zipfile

import pytest

from export.stripping.strip import strip_model
from export.tflite.packing import Unmovable, append_archive, appended_to
from sr_models.ground.errors import ModelFileError
from sr_models.tflite.verifying import verify_flatbuffer
from tests.tiny_files import clipped_file


def with_archive(content, **files):
    """As TFLite's metadata writer does it: an archive opened for appending."""
    whole = io.BytesIO(content)
    with zipfile.ZipFile(whole, "a") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return whole.getvalue()


def read(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_an_archive_moves_with_the_tables():
    old = with_archive(b"x" * 1000, labels=b"cat dog", deep=b"1" * 5000)
    archive = appended_to(old, 1000)
    for size in (400, 1000, 3001):
        assert read(append_archive(b"y" * size, archive, start=1000)) == read(old)


def test_filling_zeros_are_nothing():
    assert appended_to(b"tables\0\0\0", 6) == b""
    assert append_archive(b"tables", b"", start=6) == b"tables"


def test_unknown_bytes_are_said():
    with pytest.raises(Unmovable, match="7 unknown bytes"):
        appended_to(b"tables\0\0unknown", 6)


@pytest.mark.parametrize("spoil", ["cut", "directory", "entry", "relative"])
def test_a_damaged_archive_is_said(spoil):
    old = with_archive(b"x" * 100, labels=b"cat dog")
    archive = bytearray(appended_to(old, 100))
    end = archive.rfind(b"PK\x05\x06")
    if spoil == "cut":
        del archive[end:]
    elif spoil == "directory":
        struct.pack_into("<L", archive, end + 16, 7)
    elif spoil == "entry":
        archive[archive.find(b"PK\x01\x02")] = 0
    else:
        archive[0] = 0
    with pytest.raises(Unmovable):
        append_archive(b"y" * 50, bytes(archive), start=100)


def test_a_stripped_file_keeps_its_labels(sandbox):
    content = with_archive(clipped_file("MINIMUM", "RELU"), labels=b"cat dog")
    result = strip_model(content, sandbox=sandbox)
    assert read(result.content) == {"labels": b"cat dog"}
    assert verify_flatbuffer(result.content).end < len(result.content)


def test_a_file_with_unknown_bytes_behind_it_is_left_alone(sandbox):
    with pytest.raises(ModelFileError, match="unknown bytes stand behind"):
        strip_model(clipped_file("RELU") + b"what is this", sandbox=sandbox)
