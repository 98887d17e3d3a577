import json

import numpy as np

from export.inspecting.findings import find_in_run
from export.inspecting.inspection import inspect_model
from export.running import interpreters
from sr_models.ground.child import Crash
from sr_models.ground.errors import ModelFileError
from sr_models.ground.pixel_range import SIGNED
from sr_models.quantization.grids import Grid
from tests.enlarging_files import enlarging_file
from tests.tiny_files import TinyFile, clipped_file, pixel_grid


def test_the_graph_at_a_glance(sandbox):
    content = clipped_file("MINIMUM", "RELU", "DEPTH_TO_SPACE", activation="RELU6")
    found = inspect_model(content, sandbox=sandbox).to_json()
    assert [
        (o["op"], o["height"], o["width"], o["channels"], o["count"]) for o in found["operators"]
    ] == [
        ("CONV_2D", 4, 6, 12, 1),
        ("MINIMUM", 4, 6, 12, 1),
        ("RELU", 4, 6, 12, 1),
        ("DEPTH_TO_SPACE", 8, 12, 3, 1),
    ]
    assert found["dtypes"] == {"int8": 5}
    assert found["fused_clips"] == [{"op": "CONV_2D", "index": 0, "activation": "RELU6"}]
    assert found["delegation"]["left_behind"] == ["MINIMUM", "RELU"]
    assert found["minimum_runtime"] == "2.5"
    assert [f["id"] for f in found["findings"]] == ["clip", "partitions"]
    assert {
        "full_integer",
        "clip_ops",
        "ops",
        "inputs",
        "outputs",
        "pixel_contract",
        "float_tensors",
        "sha256",
    } <= set(found)
    json.dumps(found)


def test_a_relu_inside_of_the_network_is_no_fused_clip():
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    tensor = file.convolution(picture, pixel_grid(), channels=3, activation="RELU")
    last = file.convolution(tensor, pixel_grid(), channels=3, activation="RELU", name="last")
    found = inspect_model(file.finished([picture], [last]))
    assert [clip["index"] for clip in found.fused_clips] == [1]


def test_without_a_child_process_the_interpreter_is_not_asked():
    found = inspect_model(clipped_file("RELU")).to_json()
    assert found["delegation"] is None and found["runtime"] is None
    assert [f["id"] for f in found["findings"]] == ["clip"]


class Down:
    def call(self, *_):
        raise Crash("the interpreter was brought down by SIGSEGV")


def test_a_crash_is_a_finding():
    found = inspect_model(clipped_file("RELU"), sandbox=Down())
    assert [f.id for f in found.findings] == ["clip", "crash"]
    assert "SIGSEGV" in found.findings[-1].what


def test_an_interpreter_that_refuses_is_a_finding(sandbox):
    # TFLite has no DEPTH_TO_SPACE of sixteen bits.
    found = inspect_model(clipped_file("DEPTH_TO_SPACE", dtype="int16"), sandbox=sandbox)
    (refused,) = [f for f in found.findings if f.id == "refused"]
    assert refused.impact == "no kernels of this runtime run the file"
    assert found.to_json()["runs_on"] is None


class Direct:
    """In the place of a child process: the same job here."""

    def call(self, job, *contents, **options):
        return job(*contents, **options)


def test_where_xnnpack_alone_refuses_the_other_kernels_are_named(monkeypatch):
    real = interpreters.open_model

    def refusing(content, *, delegate="xnnpack", **options):
        if delegate == "xnnpack":
            raise ModelFileError("expected to prepare m, found: XNNPACK has no such; export anew")
        return real(content, delegate=delegate, **options)

    monkeypatch.setattr(interpreters, "open_model", refusing)
    found = inspect_model(clipped_file("RELU"), sandbox=Direct())
    (refused,) = [f for f in found.findings if f.id == "refused"]
    assert refused.what.startswith("XNNPACK: XNNPACK has no such")
    assert "the builtin and reference kernels of this runtime do" in refused.impact
    assert found.to_json()["runs_on"] == ["builtin", "reference"]


def test_a_runtime_that_does_not_tell_is_no_finding():
    found = find_in_run({"runtime": "some 1.0", "delegation": None})
    assert found == []


def test_black_and_white_are_found_and_said():
    # 24 codes of lift, which is beyond white where white is 1.
    content = enlarging_file(lift=4.0)
    found = inspect_model(content, sandbox=Direct())
    assert found.to_json()["pixels"]["pixels_in"] == [0.0, 255.0]
    assert inspect_model(content).pixels.assumed
    given = inspect_model(content, pixels=SIGNED)
    assert str(given.pixels) == "inputs of -1..1 and outputs of -1..1 (as given)"


def test_codes_of_negative_values_are_pixels_and_not_coarse():
    """Code c stands for (c - 127) 2/255, whose pixel is c + 0.5: within half a code."""
    grid = Grid("uint8", float(np.float32(2 / 255)), 127)
    inner = Grid("int8", grid.scale, -1)
    found = inspect_model(enlarging_file(low=grid, high=grid, inner=inner))
    assert found.audit.pixel_contract.holds
    assert {f.id for f in found.findings} <= {"name"}
    # A grid one code off is none: white is 256.5 of 255.
    off = Grid("uint8", grid.scale, 126)
    broken = inspect_model(enlarging_file(low=off, high=off, inner=Grid("int8", grid.scale, -2)))
    assert not broken.audit.pixel_contract.holds
