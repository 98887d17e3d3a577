"""Every verb that takes a source takes all that can be said of one."""

from dataclasses import fields
from inspect import signature

import pytest
import tf_keras

import representative_data
from export.exporting.job import Export
from sr_models import open_network
from sr_models.ground.console import status_of_command
from sr_models.ground.errors import NetworkError, OptionError
from sr_models.importing.source_options import OPTIONS, SourceOptions, takes_source
from sr_models.importing.sources import SourceNetwork
from tests.test_help import APPS, VERBS
from tests.tiny_files import clipped_file

FIELDS = {field.name: field.default for field in fields(SourceOptions)}
PRESETS_ALONE = {
    ("sr-models", "show"),
    ("sr-models", "train"),
    ("sr-models", "evaluate"),
    ("sr-bench", "demo"),
    ("sr-bench", "evidence", "calibration"),
    ("sr-bench", "evidence", "forms"),
    ("sr-bench", "evidence", "kernels"),
    ("sr-bench", "evidence", "sources"),
    ("sr-bench", "evidence", "third-party"),
}
"""Verbs whose argument is the name of a preset or an architecture, and of nothing else."""


NETWORKS = {
    words: verb
    for words, verb in VERBS.items()
    if any(p.param_type_name == "argument" and p.name in ("name", "names") for p in verb.params)
}
SOURCES = {words: verb for words, verb in NETWORKS.items() if words not in PRESETS_ALONE}


def test_every_field_is_an_option_and_a_keyword():
    assert FIELDS.keys() == OPTIONS.keys()
    keywords = signature(open_network).parameters
    assert {name: keywords[name].default for name in FIELDS} == FIELDS
    assert "source" in signature(Export).parameters


@pytest.mark.parametrize("words", SOURCES, ids=" ".join)
def test_a_verb_that_takes_a_source_takes_all_options(words):
    options = {option.name: option for option in SOURCES[words].params}
    for name, default in FIELDS.items():
        assert f"--{name}" in options[name].opts and options[name].default == default
    if "images" in options:
        named = {option for given in options.values() for option in given.opts}
        pairs = {"--inputs", "--calibration-inputs"} if "data" in options else {"--inputs"}
        assert pairs <= named


@pytest.mark.parametrize("words", SOURCES, ids=" ".join)
def test_what_is_said_of_a_source_reaches_who_opens_it(
    words, picture_folder, tmp_path, monkeypatch
):
    seen: dict = {}

    def stopped(*_, options=None, **given):
        seen.update(given, **(options.keywords if options else {}))
        raise NetworkError("expected the end, found it; stop")

    for place in (
        "representative_data.pictures.open_subject",
        "export.bundle.writing.export_bundle",
        "export.exporting.front_door.export_model",
    ):
        monkeypatch.setattr(place, stopped)
    (tmp_path / "net.tflite").write_bytes(clipped_file("RELU"))
    names = {option.name for option in SOURCES[words].params}
    said = {"--output": "0", "--input": "in0", "--pixels": "0..1", "--images": picture_folder}
    said |= {"--data": picture_folder} if "data" in names else {}
    said |= {"--out": tmp_path / "out"} if "out" in names else {}
    pair = "--calibration-inputs" if "calibration_inputs" in names else "--inputs"
    said[pair] = picture_folder
    options = [str(word) for both in said.items() for word in both]
    command, *verb = words
    verb = [*verb, str(tmp_path / "net.tflite"), "--dequantize", *options]
    assert status_of_command(APPS[command], verb) == 2
    told = {"output": "0", "input": "in0", "pixels": "0..1", "dequantize": True, "trust": False}
    assert {name: seen.get(name) for name in told} == told
    assert str(seen["inputs"]) == str(picture_folder)


def test_verbs_that_take_presets_alone_are_known():
    assert NETWORKS.keys() >= PRESETS_ALONE
    assert len(SOURCES) >= 9
    assert not {"dequantize", "output"} & {p.name for w in PRESETS_ALONE for p in VERBS[w].params}


def test_a_verb_that_forgets_its_source_is_refused():
    with pytest.raises(
        ValueError, match="expected one argument of the type SourceOptions and one of name"
    ):
        takes_source(lambda name: None)


def test_shape_takes_what_its_command_takes():
    assert "inputs" in signature(representative_data.shape).parameters


def test_options_that_go_with_nothing_are_refused():
    network = SourceNetwork("net", 2, None)
    assert open_network(network) is network
    for options, said in (
        ({"pixels": "0..1"}, "expected pixels with what names a network, found net"),
        ({"output": 0}, "expected output with what names a network"),
        ({"trust": 1}, "True or False as trust, found 1"),
        ({"output": 1.5}, "expected output to be a name or a number, found 1.5"),
        ({"signature": ""}, "expected text as signature"),
        ({"pixels": "0..2"}, "found '0..2'"),
    ):
        with pytest.raises(OptionError, match=said):
            open_network(network, **options)
    model = tf_keras.Sequential([tf_keras.layers.UpSampling2D(2, input_shape=(8, 8, 3))])
    for options in ({"dequantize": True}, {"weights": "w"}, {"input": "x"}, {"signature": "s"}):
        with pytest.raises(OptionError, match=f"expected --{next(iter(options))} with"):
            open_network(model, **options)
        with pytest.raises(OptionError, match=f"expected --{next(iter(options))} with"):
            Export(model, **options)
