"""What is taken out of a finished file beside its clip: no code changes, on any kernels."""

import re

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from export.running.interpreters import open_model
from export.running.targets import find_target
from export.stripping.further import go_further
from export.stripping.layer_forms import find_forms
from export.tflite.equal_tensors import equal_tensors
from export.tflite.packing import repack
from sr_models.ground.errors import ModelFileError
from sr_models.quantization.grids import Grid
from sr_models.tflite.files import read_model
from sr_models.tflite.unpacked import unpack
from tests.tiny_files import TinyFile, pixel_grid

DOTPROD = (find_target("arm64-dotprod"),)
AVX2 = (find_target("x86-avx2"),)
LOOSE = Grid("int8", 0.01, -7)


def outputs_of(content: bytes, pixels: np.ndarray) -> list[np.ndarray]:
    """Pixels that a file makes, by every kernel path."""
    found = []
    for path in ("xnnpack", "builtin", "reference"):
        runner = open_model(content, delegate=path)
        codes = pixels if runner.inputs[0].dtype == "uint8" else (pixels ^ 0x80).view(np.int8)
        made = runner.run(codes)
        found.append(made if made.dtype == np.uint8 else made.view(np.uint8) ^ 0x80)
    return found


def same_pixels(before: bytes, after: bytes) -> bool:
    shape = open_model(before).inputs[0].shape
    pixels = np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)
    old, new = outputs_of(before, pixels), outputs_of(after, pixels)
    assert old[0].std() > 10
    return all(np.array_equal(one, other) for one, other in zip(old, new))


def operators(content: bytes) -> list[str]:
    return [op.name for op in unpack(content).graph.operators]


def tensor_of(file: TinyFile, name: str, source: int, shape, *values: int) -> int:
    """What an operator makes with one constant of whole numbers."""
    index, of_constant = len(file.graph.operators), (4, 2) if name == "PAD" else (len(values),)
    constant = file.tensor(f"{name}{index}/c", of_constant, dtype="int32", data=np.array(values))
    target = file.tensor(f"{name}{index}", shape, grid=file.grid(source))
    file.operator(name, [source, constant], [target])
    return target


def idle_file() -> bytes:
    """uint8 ends, and within them everything that changes nothing."""
    file = TinyFile()
    source = file.tensor("picture", (1, 6, 8, 3), grid=pixel_grid("uint8"))
    tensor = file.quantize(source, pixel_grid("int8"))
    tensor = file.convolution(tensor, LOOSE, channels=12)
    tensor = tensor_of(file, "TRANSPOSE", tensor, (1, 12, 6, 8), 0, 3, 1, 2)
    tensor = tensor_of(file, "TRANSPOSE", tensor, (1, 6, 8, 12), 0, 2, 3, 1)
    tensor = file.reshape(tensor, (1, 6, 8, 12))
    finer = Grid("int8", LOOSE.scale, LOOSE.zero_point)
    tensor = file.quantize(tensor, finer)
    real = file.tensor("real", (1, 6, 8, 12), dtype="float32")
    file.operator("DEQUANTIZE", [tensor], [real])
    again = file.tensor("again", (1, 6, 8, 12), grid=LOOSE)
    file.operator("QUANTIZE", [real], [again])
    tensor = file.concatenation([again])
    tensor = file.convolution(tensor, pixel_grid("int8"), channels=12, name="last", seed=3)
    tensor = file.quantize(file.depth_to_space(tensor), pixel_grid("uint8"))
    return file.finished([source], [tensor])


def test_what_changes_nothing_goes_and_no_code_changes(sandbox):
    content = idle_file()
    found = go_further(read_model(content), sandbox=sandbox, probes=2)
    left = ["QUANTIZE", "CONV_2D", "CONV_2D", "DEPTH_TO_SPACE", "QUANTIZE"]
    assert operators(found.content) == left
    assert same_pixels(content, found.content)
    told = found.to_json()
    assert told["same_codes_on"] == ["xnnpack", "builtin"]
    assert "TRANSPOSE (operator 3)" in told["changes"][0]["operators"]
    again = go_further(read_model(found.content), sandbox=sandbox)
    assert again.changes == () and again.content == found.content and again.paths == ()


def test_codes_at_the_ends_become_int8(sandbox):
    content = idle_file()
    found = go_further(read_model(content), sandbox=sandbox, signed=True, probes=2)
    assert operators(found.content) == ["CONV_2D", "CONV_2D", "DEPTH_TO_SPACE"]
    runner = open_model(found.content)
    assert [t.dtype for t in (*runner.inputs, *runner.outputs)] == ["int8", "int8"]
    assert runner.inputs[0].name == "picture" and runner.signatures
    assert same_pixels(content, found.content)
    assert go_further(read_model(found.content), sandbox=sandbox, signed=True).changes == ()


def test_moves_of_uint8_codes_become_int8_with_them(sandbox):
    file = TinyFile()
    source = file.tensor("picture", (1, 6, 8, 3), grid=pixel_grid("uint8"))
    tensor = file.quantize(file.reshape(source, (1, 8, 6, 3)), pixel_grid("int8"))
    tensor = file.convolution(tensor, pixel_grid("int8"), channels=12)
    tensor = file.depth_to_space(file.quantize(tensor, pixel_grid("uint8")))
    content = file.finished([source], [tensor])
    found = go_further(read_model(content), sandbox=sandbox, signed=True, probes=2)
    assert operators(found.content) == ["RESHAPE", "CONV_2D", "DEPTH_TO_SPACE"]
    assert same_pixels(content, found.content)


def test_who_computes_with_uint8_codes_stands_in_the_way(sandbox):
    file = TinyFile()
    source = file.tensor("picture", (1, 6, 8, 3), grid=pixel_grid("uint8"))
    out = file.convolution(source, pixel_grid("uint8"), channels=3)
    read = read_model(file.finished([source], [out]))
    with pytest.raises(ModelFileError, match=r"CONV_2D \(operator 0\) computes with uint8 codes"):
        go_further(read, sandbox=sandbox, signed=True)
    file = TinyFile()
    source = file.tensor("picture", (1, 6, 8, 3), grid=pixel_grid("uint8"))
    read = read_model(file.finished([source], [file.quantize(source, LOOSE)]))
    with pytest.raises(ModelFileError, match=r"QUANTIZE \(operator 0\) changes more than the sign"):
        go_further(read, sandbox=sandbox, signed=True)


def test_what_only_looks_idle_stays():
    file = TinyFile()
    source = file.tensor("picture", (1, 6, 6, 3), grid=pixel_grid("int8"))
    coarse = Grid("int8", 2.5 * pixel_grid().scale, -128)
    there = file.quantize(source, coarse)
    back = file.quantize(there, pixel_grid("int8"))
    turned = tensor_of(file, "TRANSPOSE", back, (1, 6, 6, 3), 0, 2, 1, 3)
    through = file.reshape(
        tensor_of(file, "TRANSPOSE", turned, (1, 3, 6, 6), 0, 3, 1, 2), (1, 6, 6, 3)
    )
    assert equal_tensors(unpack(file.finished([source], [through]))) == {}


def test_two_names_that_users_know_stay_two_tensors(sandbox):
    file = TinyFile()
    source = file.tensor("picture", (1, 6, 6, 3), grid=pixel_grid("int8"))
    copy = file.reshape(source, (1, 6, 6, 3))
    inner = file.convolution(source, LOOSE, channels=3)
    outputs = [copy, *(file.reshape(inner, (1, 6, 6, 3)) for _ in range(2)), inner]
    content = file.finished([source], outputs)
    assert equal_tensors(unpack(content)) == {}
    first, second = outputs[1:3]
    content = file.finished([source], [first, second])
    assert equal_tensors(unpack(content)) == {copy: source, first: inner}
    found = go_further(read_model(content), sandbox=sandbox, probes=2)
    assert operators(found.content) == ["CONV_2D", "RESHAPE"]


def grouped(file: TinyFile, source: int, *, groups: int, zero_point: int = 0) -> int:
    """A 3x3 convolution of 8 channels in and out for each group."""
    rng, channels = np.random.default_rng(2), 8 * groups
    weights = Grid("int8", 0.004, zero_point)
    kernel = file.tensor(
        "groups/w",
        (channels, 3, 3, 8),
        grid=weights,
        data=rng.integers(-99, 99, (channels, 3, 3, 8)),
    )
    bias = file.tensor("groups/b", (channels,), dtype="int32", data=rng.integers(-99, 99, channels))
    file.give_grid(bias, file.grid(source).scale * 0.004, 0)
    shape = (*file.graph.tensors[source].shape[:3], channels)
    target = file.tensor("groups", shape, grid=Grid("int8", 0.008, -100))
    file.operator("CONV_2D", [source, kernel, bias], [target], version=3, strideW=1, strideH=1)
    return target


def packed_file(*, zero_point: int = 0) -> bytes:
    """A picture read by a 5x5 convolution's rows, groups of 8, a PAD of zeros before the end."""
    file = TinyFile()
    source = file.tensor("picture", (1, 9, 11, 3), grid=pixel_grid("int8"))
    tensor = file.convolution(source, LOOSE, channels=32)
    tensor = grouped(file, tensor, groups=4, zero_point=zero_point)
    tensor = tensor_of(file, "PAD", tensor, (1, 11, 13, 32), 0, 0, 1, 1, 1, 1, 0, 0)
    padded = file.convolution(tensor, pixel_grid("int8"), channels=12, name="last", seed=3)
    file.graph.tensors[padded].shape = np.array((1, 9, 11, 12), np.int32)
    file.graph.operators[-1].builtinOptions.padding = schema.Padding.VALID
    return file.finished([source], [file.depth_to_space(padded)])


def test_convolutions_fill_the_kernels_of_their_target(sandbox):
    content = packed_file()
    found = go_further(read_model(content), sandbox=sandbox, targets=DOTPROD, probes=2)
    whats = [change.what for change in found.changes]
    assert any(what.startswith("4 groups become 2 (") for what in whats)
    assert any(what.startswith("is made part of CONV_2D (operator ") for what in whats)
    assert "PAD" not in operators(found.content)
    assert same_pixels(content, found.content)
    # Kernels of eight channels are full already, and rows of neighbours pay for theirs.
    other = go_further(read_model(content), sandbox=sandbox, targets=AVX2, probes=2)
    assert not any("groups" in change.what for change in other.changes)


def test_every_form_keeps_every_code():
    """Also those that would not pay."""
    content = packed_file()
    model = unpack(content)
    forms = list(find_forms(model))
    words = ["is made part of", "reads rows of 3", "4 groups become 2"]
    assert [form.what[: len(word)] for form, word in zip(forms, words)] == words
    for form in forms:
        tables = unpack(content).tables
        form.apply(tables)
        assert same_pixels(content, repack(model, tables)), form.what


def test_weights_that_are_not_centred_on_zero_are_left_alone():
    whats = [form.what for form in find_forms(unpack(packed_file(zero_point=3)))]
    assert not any("groups" in what for what in whats) and whats


def test_a_result_of_other_codes_is_never_handed_over(sandbox, monkeypatch):
    import export.stripping.layer_forms

    monkeypatch.setattr(export.stripping.layer_forms, "_pads_alike", lambda *_: True)
    file = TinyFile()
    source = file.tensor("picture", (1, 9, 11, 3), grid=pixel_grid("int8"))
    tensor = tensor_of(file, "PAD", source, (1, 11, 13, 3), 0, 0, 2, 0, 0, 2, 0, 0)
    out = file.convolution(tensor, pixel_grid("int8"), channels=12)
    file.graph.tensors[out].shape = np.array((1, 9, 11, 12), np.int32)
    file.graph.operators[-1].builtinOptions.padding = schema.Padding.VALID
    content = file.finished([source], [file.depth_to_space(out)])
    found = go_further(read_model(content), sandbox=sandbox, targets=DOTPROD, probes=2)
    assert found.content == content and found.changes == ()
    (reason,) = found.left
    assert re.match(r"is made part of CONV_2D .*: codes differ by \d+ on xnnpack kernels", reason)
