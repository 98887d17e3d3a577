import pytest

from sr_models.ground.errors import NetworkError
from sr_models.importing.protobuf_wire import MOST_OTHER_BYTES, require_moderate
from tests.onnx_files import stranger_file


def record(field: int, content: bytes) -> bytes:
    """A field of bytes, as protobuf writes one."""
    size, head = len(content), bytearray([field << 3 | 2])
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size]) + content


def test_a_network_is_moderate():
    require_moderate(stranger_file().SerializeToString(), "net.onnx")


def test_weights_are_not_counted_and_other_bytes_are():
    large = bytes(MOST_OTHER_BYTES + 1)
    require_moderate(record(7, record(5, record(9, large))), "net.onnx")
    for field in (2, 7):  # names, and numbers that grow when they are read
        with pytest.raises(NetworkError, match="entries and 32 MiB beside weights"):
            require_moderate(record(7, record(5, record(field, large))), "net.onnx")
    with pytest.raises(NetworkError, match="entries and 32 MiB beside weights"):
        require_moderate(record(7, record(13, large)), "net.onnx")


@pytest.mark.parametrize(
    "content",
    [
        b"\x3a\x05\x0a",  # longer than the file
        b"\x3a\x03\x0a\x05\x00",  # longer than what it lies in
        b"\x3b\x00",  # a group
        b"\xff" * 11,  # a number without end
        b"\x3d\x00",  # half of four bytes
    ],
)
def test_what_is_no_protobuf_is_refused(content):
    with pytest.raises(NetworkError, match="expected a whole ONNX file"):
        require_moderate(content, "net.onnx")
