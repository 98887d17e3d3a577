import textwrap

import onnx
import pytest
import tensorflow as tf

from representative_data.pictures import bundled_pictures
from representative_data.tiles import load_tiles
from sr_models.ground.errors import NetworkError, OptionError, UnknownModelError
from sr_models.ground.files import file_sha256
from sr_models.importing.source_kinds import kind_of
from sr_models.importing.sources import open_network
from tests.onnx_files import stranger_file
from tests.strangers import stranger


def pictures():
    return [tile.pixels for tile in load_tiles(bundled_pictures()[:2], scale=2, count=4, side=48)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    model = stranger(end=lambda y: tf.clip_by_value(y, 0.0, 1.0))
    model.save(folder / "net.keras")
    model.save(folder / "net.h5")
    model.save(folder / "saved", save_format="tf")
    (folder / "build.py").write_text("from tests.strangers import stranger\n")
    (folder / "file.tflite").write_bytes(b"")
    (folder / "empty").mkdir()
    return folder


def test_a_preset_is_its_own_trunk():
    network = open_network("xlsr_x3", pictures=lambda: pytest.fail("no pictures are needed"))
    assert (network.name, network.scale, network.channels) == ("xlsr_x3", 3, 3)
    assert network.family == "xlsr" and network.origin is None and network.notes == ()


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("net.keras", "Keras 2"),
        ("net.h5", "Keras 2"),
        ("saved", "SavedModel"),
        ("build.py:stranger", "Python"),
    ],
)
def test_every_source_of_a_network_gives_the_same_trunk(files, source, kind, monkeypatch):
    monkeypatch.chdir(files)
    network = open_network(source, pictures=pictures)
    assert network.scale == 2 and network.trunk.count_params() == stranger().count_params()
    origin = network.origin
    assert origin["kind"].startswith(kind) and origin["source"] == source
    assert origin["licence"] == "unknown, given by the user"
    assert len(origin["sha256"]) == 64 and origin["pixels_in"] == [0.0, 1.0]
    if kind != "SavedModel":
        assert origin["sha256"] == file_sha256(files / source.split(":")[0])
    assert network.name in ("net", "saved", "stranger")


def test_the_hash_of_a_folder_is_of_every_file_in_it(files, tmp_path, monkeypatch):
    before = open_network(str(files / "saved"), pictures=pictures).origin["sha256"]
    (files / "saved" / "assets").mkdir(exist_ok=True)
    (files / "saved" / "assets" / "note.txt").write_text("changed")
    assert open_network(str(files / "saved"), pictures=pictures).origin["sha256"] != before


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("xslr_x3", UnknownModelError, "xlsr_x3"),
        ("none.keras", NetworkError, r"found no file none\.keras"),
        ("folder/none", NetworkError, "found no file"),
        ("file.tflite", NetworkError, "expected a .tflite file, found an empty one"),
        ("none.tflite", NetworkError, r"found no file none\.tflite"),
        ("empty", NetworkError, r"no saved_model\.pb"),
        ("no_such_module:build", NetworkError, "expected a module"),
    ],
)
def test_what_names_no_network_is_said(files, source, error, said, monkeypatch):
    monkeypatch.chdir(files)
    with pytest.raises(error, match=said):
        open_network(source, pictures=pictures)


def test_options_that_do_not_go_with_the_source(files):
    with pytest.raises(OptionError, match="with a preset"):
        open_network(str(files / "net.h5"), weights="other.weights.h5", pictures=pictures)
    with pytest.raises(OptionError, match=r"0\.\.1, 0\.\.255, -1\.\.1, found '0\.\.2'"):
        open_network(str(files / "net.h5"), pixels="0..2", pictures=pictures)
    assert kind_of("a.b:c") == "python" and kind_of("xlsr_x3") == "preset"


def test_an_onnx_file_is_adopted_as_any_other_source(tmp_path):
    onnx.save(stranger_file(), tmp_path / "net.onnx")
    network = open_network(str(tmp_path / "net.onnx"), pictures=pictures)
    assert (network.name, network.scale, network.channels) == ("net", 2, 3)
    assert network.trunk.count_params() == stranger().count_params()
    origin = network.origin
    assert (origin["kind"], origin["source"]) == ("ONNX, pytorch", "net.onnx")
    assert origin["sha256"] == file_sha256(tmp_path / "net.onnx")
    assert "removed the output clip net (to 0..1)" in network.notes[0]
    check = origin["check"]
    assert check["checked_against_source"] and check["largest_difference_of_255"] < 0.1
    assert check["checked_against"].startswith("the source itself, by onnx")


def test_an_onnx_file_of_half_precision_and_of_one_size(tmp_path):
    shape = (1, 3, 24, 20)
    onnx.save(stranger_file(half=True, shape=shape), tmp_path / "net.onnx")
    network = open_network(str(tmp_path / "net.onnx"), pictures=pictures)
    assert network.trunk.input_shape == (None, None, None, 3)


def test_an_onnx_file_that_computes_otherwise_than_it_is_read_is_refused(tmp_path, monkeypatch):
    from sr_models.importing.onnx_file import OnnxFile

    onnx.save(stranger_file(), tmp_path / "net.onnx")
    run = OnnxFile.__call__
    monkeypatch.setattr(OnnxFile, "__call__", lambda self, batch: 0.9 * run(self, batch))
    with pytest.raises(NetworkError, match="expected the rebuilt network to answer as the given"):
        open_network(str(tmp_path / "net.onnx"), pictures=pictures)


def test_what_no_runtime_runs_is_said(tmp_path, monkeypatch):
    from sr_models.importing import onnx_file

    onnx.save(stranger_file(shape=(1, 3, 180, 160)), tmp_path / "net.onnx")
    monkeypatch.setattr(onnx_file, "find_spec", lambda _: None)
    network = open_network(str(tmp_path / "net.onnx"), pictures=pictures)
    assert network.notes[-1].startswith("not checked against the source: it fails")
    assert "onnxruntime is not installed" in network.origin["check"]["not_checked_because"]


def test_onnx_and_tensorflow_go_together_in_either_order(run_python):
    """The other order is that of this process."""
    assert tf.io.decode_raw and onnx.ModelProto().SerializeToString() == b""
    code = """
        import onnx, tensorflow
        from sr_models.importing.onnx_file import load_onnx_file
        assert tensorflow.io.decode_raw and onnx.ModelProto().SerializeToString() == b""
    """
    assert run_python(textwrap.dedent(code)).returncode == 0


def test_help_and_other_sources_do_not_load_onnx(run_python):
    code = """
        import sys
        import sr_models.importing.sources, export.verbs.model
        assert "onnx" not in sys.modules and "onnxruntime" not in sys.modules
    """
    assert run_python(textwrap.dedent(code)).returncode == 0
