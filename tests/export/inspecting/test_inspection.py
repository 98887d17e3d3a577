import json

from export.inspecting.inspection import inspect_model
from sr_models.ground.child import Crash
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
    assert "refused" in [f.id for f in found.findings]
