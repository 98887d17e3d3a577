import pytest

from sr_models.ground.errors import NetworkError
from sr_models.importing.source_kinds import kind_of

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("net.onnx", POINTER, r"an ONNX file, found a Git LFS pointer to one: .*git lfs pull"),
        ("net.pth", b"PK\x03\x04", r"found PyTorch weights .*module:function"),
        ("net.pt", b"PK\x03\x04", "PyTorch"),
        ("net.bin", b"\x80\x02\x8a", "PyTorch"),
        ("net.ckpt", b"PK\x03\x04" + b"\0" * 26 + b"net/data.pkl", "checkpoint"),
        ("weights", b"PK\x03\x04" + b"\0" * 26 + b"net/data.pkl", "PyTorch"),
        ("net.safetensors", b"", "weights without their network"),
        ("frozen.pb", b"\n", r"a graph of TensorFlow: .*folder of a SavedModel"),
        ("model.json", b"{}", r"a description without weights: .*model\.save"),
        ("net.index", b"", "a checkpoint of TensorFlow"),
        ("net.npz", b"PK\x03\x04", "arrays without"),
        ("net.py", b"", r"file\.py:function"),
        ("net.keras", POINTER, r"a Git LFS pointer to one: .*git lfs pull"),
        ("net.h5", POINTER, "a Git LFS pointer"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NetworkError, match=said) as error:
        kind_of(str(tmp_path / name))
    assert "; " in str(error.value) and "\n" not in str(error.value)


def test_a_file_of_another_kind_that_is_not_there(tmp_path):
    with pytest.raises(NetworkError, match="a Core ML file, and none of that name"):
        kind_of(str(tmp_path / "none.mlmodel"))


@pytest.mark.parametrize("pointer", ["saved_model.pb", "variables/variables.data-00000-of-00001"])
def test_a_saved_model_that_was_not_fetched_whole(pointer, tmp_path):
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"\n")
    (tmp_path / pointer).write_bytes(POINTER)
    with pytest.raises(NetworkError, match="a Git LFS pointer"):
        kind_of(str(tmp_path))


def test_the_graph_inside_of_a_saved_model_is_sent_to_its_folder(tmp_path):
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"\n")
    with pytest.raises(NetworkError, match=f"give its folder: {tmp_path}"):
        kind_of(str(tmp_path / "saved_model.pb"))


def test_what_may_be_a_network_is_told_without_opening_it(tmp_path):
    (tmp_path / "net.anything").write_bytes(b"no network")
    assert kind_of(str(tmp_path / "net.anything")) == "keras"
    for name in ("net.tflite", "net.model"):
        (tmp_path / name).write_bytes(b"\0\0\0\0TFL3")
        assert kind_of(str(tmp_path / name)) == "tflite"
    assert kind_of(str(tmp_path)) == "saved_model"
    assert kind_of("a.b:c") == "python" and kind_of("file.py:build") == "python"
    assert kind_of("xlsr_x3") == "preset" and kind_of("xslr_x3") == "preset"
