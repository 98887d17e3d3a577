"""What users import from the four packages: by their names alone, without TensorFlow before."""

from __future__ import annotations

import importlib
import inspect
import json
import runpy

import numpy as np
import pytest
import tensorflow as tf

import export
import representative_data
import sr_models
from sr_models.ground.bundled import bundled_pieces
from sr_models.ground.errors import NetworkError, SrError, UnknownModelError
from tests.strangers import stranger

PACKAGES = ("sr_models", "representative_data", "export", "runtime_bench")
COMMANDS = {
    "sr_models": ("", "list", "show", "evaluate", "train"),
    "representative_data": ("",),
    "export": ("", "model", "inspect", "strip", "bundle", "verify", "sensitivity"),
    "runtime_bench": (
        "",
        "latency",
        "quality",
        "compare",
        "drop",
        "upscale",
        "android",
        "report",
        "demo",
        "evidence",
    ),
}
HEAVY = (
    "numpy",
    "PIL",
    "tensorflow",
    "tf_keras",
    "keras",
    "scipy",
    "skimage",
    "matplotlib",
    "h5py",
    "ai_edge_litert",
    "jinja2",
    "jsonschema",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_says_what_it_is(package):
    module = importlib.import_module(package)
    assert module.__all__ == sorted(module.__all__) and set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        value = getattr(module, name)
        assert inspect.getdoc(value), name
        if inspect.isfunction(value):
            described = inspect.getdoc(value)
            # Or it names the function that describes them.
            shown = "Args:" in described or "`" in described
            assert shown or len(inspect.signature(value).parameters) == 1, name
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_this_name'"):
        module.nothing_of_this_name  # noqa: B018 - asking for it is the test


def test_importing_the_packages_imports_no_library(run_python):
    code = f"import json, sys, {', '.join(PACKAGES)}; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(run_python(code).stdout))
    assert not loaded & {*HEAVY, "numpy", "PIL", "typer", "rich"}


@pytest.mark.parametrize("package", sorted(COMMANDS))
def test_help_waits_for_no_library(package, run_python):
    code = (
        "import io, json, sys\nfrom contextlib import redirect_stdout, suppress\n"
        f"from {package}.cli import main\n"
        f"for verb in {COMMANDS[package]!r}:\n"
        "    sys.argv = ['command', *filter(None, [verb]), '--help']\n"
        "    with suppress(SystemExit), redirect_stdout(io.StringIO()) as o:\n"
        "        main()\n"
        "    assert 'Usage' in o.getvalue(), verb\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert not set(json.loads(result.stdout)) & {*HEAVY}


def end(y):
    return tf.clip_by_value(y, 0.0, 255.0)


def test_a_model_in_memory_is_the_model_of_a_function(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text(
        "from tests.strangers import stranger\nfrom tests.test_front_door import end\n"
        "def build():\n    return stranger(end=end, unit=255.0)\n"
    )
    monkeypatch.chdir(tmp_path)
    built = sr_models.open_network("theirs.py:build")
    held = sr_models.open_network(stranger(end=end, unit=255.0))
    assert (held.name, held.scale, held.notes[1:]) == ("stranger", 2, built.notes[1:])
    assert held.origin["pixels_in"] == [0.0, 255.0] and "removed the output clip" in held.notes[0]
    for found, expected in zip(held.trunk.get_weights(), built.trunk.get_weights()):
        np.testing.assert_array_equal(found, expected)


KERAS_3 = """
import keras
import numpy as np
import sr_models

def build():
    keras.utils.set_random_seed(0)
    x = keras.Input((None, None, 3))
    y = keras.layers.UpSampling2D(2)(x)
    y = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="last")(y)
    return keras.Model(x, keras.ops.clip(y, 0, 1), name="theirs")

if __name__ == "__main__":
    held = sr_models.open_network(build(), pixels="0..1")
    built = sr_models.open_network("keras3_theirs.py:build", pixels="0..1")
    assert (held.name, held.scale) == ("theirs", 2), held
    assert held.notes[1:] == built.notes[1:] and "clip" in held.notes[0], held.notes
    for one, other in zip(held.trunk.get_weights(), built.trunk.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
"""


def test_a_model_of_keras_3_is_taken_as_well(tmp_path, monkeypatch):
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras 3 is not installed")
    path = tmp_path / "keras3_theirs.py"
    path.write_text(KERAS_3)
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")


def two_inputs():
    import tf_keras

    ends = [tf_keras.Input((4, 4, 3)), tf_keras.Input((4, 4, 3))]
    return tf_keras.Model(ends, tf_keras.layers.Add()(ends))


def uncalled():
    import tf_keras

    return tf_keras.Sequential([tf_keras.layers.Conv2D(3, 3)])


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: "no_such_network", UnknownModelError, "expected a known preset"),
        (lambda: 3, NetworkError, "a preset's name, a path or a Keras model, found int"),
        (lambda: None, NetworkError, "found NoneType"),
        (lambda: np.zeros(3), NetworkError, "found ndarray"),
        (two_inputs, NetworkError, "expected one input, found 2"),
        (uncalled, NetworkError, "Sequential that has not been called"),
    ],
)
def test_what_is_no_network_is_said_in_one_line(make, error, said):
    with pytest.raises(error, match=said) as caught:
        sr_models.open_network(make())
    assert isinstance(caught.value, SrError) and "\n" not in str(caught.value)


def test_an_opened_network_stays_as_it_is():
    network = sr_models.open_network("xlsr_x3")
    assert sr_models.open_network(network) is network and str(network) == "xlsr_x3"


def test_pieces_to_tell_the_pixels_by_are_a_few_and_alike():
    pieces = bundled_pieces()
    assert {(piece.shape, str(piece.dtype)) for piece in pieces} == {((72, 72, 3), "uint8")}
    assert len(pieces) == 8 and all(len(np.unique(piece)) > 10 for piece in pieces)


@pytest.fixture(scope="module")
def opened():
    return sr_models.open_network(stranger(end=lambda y: tf.clip_by_value(y, 0.0, 1.0)))


@pytest.fixture(scope="module")
def shaped(opened, picture_folder):
    return representative_data.shape(opened, picture_folder, pictures=6, tile_side=24)


def test_a_set_is_shaped_for_the_network(opened, shaped):
    assert (shaped.network, shaped.scale) == ("stranger", 2)
    assert {picture.shape for picture in shaped.pictures} == {(24, 24, 3)}
    assert shaped.settings["tile_side"] == 24 and shaped.output_range[1] <= 1.01


def test_a_set_in_memory_exports_as_its_file_does(opened, shaped, tmp_path):
    settings = export.ExportSettings(method="cfqp", minimum_fidelity_db=0.0)
    shaped.save(tmp_path / "rd.npz")
    held = export.export(opened, shaped, sizes=["24x32"], settings=settings)
    read = export.export(opened, tmp_path / "rd.npz", sizes=["24x32"], settings=settings)
    assert held.failures == [] and held.content == read.content
    held.write(tmp_path / "phone")
    assert (tmp_path / "phone" / "model.tflite").read_bytes() == held.content
    assert held.manifest["settings"] == read.manifest["settings"]
    assert held.manifest["settings"]["tile_side"] is None, "the set's own counts"
    assert held.manifest["representative_dataset"]["source"] is None


def test_a_set_of_another_network_is_refused(shaped):
    with pytest.raises(SrError, match=r"shaped by xlsr_x3 .* found one shaped by stranger"):
        export.export("xlsr_x3", shaped, sizes=["24x32"])
    with pytest.raises(SrError, match="expected a size such as 360x640"):
        export.export("xlsr_x3", sizes=["large"])
