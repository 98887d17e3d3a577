import numpy as np
import pytest

from export.inspecting.audit import audit_graph
from export.inspecting.finding import IDENTIFIERS
from export.inspecting.findings import find, find_in_run
from export.inspecting.plan import plan_strip
from sr_models.quantization.grids import Grid
from sr_models.tflite.files import ModelFile
from sr_models.tflite.unpacked import unpack
from tests.tiny_files import TinyFile, clipped_file, pixel_grid


def found_in(content, *, name="model.tflite"):
    model = unpack(ModelFile(name, content, "0" * 64))
    return find(model, audit_graph(model.graph), plan=plan_strip(model))


def picture_file(entry, leave, *, version=3):
    """One convolution between an input and an output of given grids."""
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=entry)
    result = file.convolution(picture, leave, channels=3)
    file.tables.operatorCodes[0].version = version
    return file.finished([picture], [result])


def real_tail():
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    result = file.convolution(picture, pixel_grid(), channels=3)
    real = file.tensor("real", (1, 4, 6, 3), dtype="float32")
    file.operator("DEQUANTIZE", [result], [real])
    return file.finished([picture], [real])


def open_height():
    file = TinyFile()
    picture = file.tensor("picture", (1, 4, 6, 3), grid=pixel_grid())
    file.graph.tensors[picture].shapeSignature = np.array([1, -1, 6, 3], np.int32)
    return file.finished([picture], [file.convolution(picture, pixel_grid(), channels=3)])


def test_a_good_file_has_no_findings():
    assert found_in(picture_file(pixel_grid(), pixel_grid())) == []


@pytest.mark.parametrize(
    ("content", "identifier", "said"),
    [
        (clipped_file("MINIMUM", "RELU"), "clip", "MINIMUM and RELU at 4x6x12: 2 pass"),
        # 249/255: the latency variants of published files, calibrated with one picture.
        (
            picture_file(Grid("uint8", 0.97647, 0), pixel_grid("uint8")),
            "contract",
            "255 is read as 249 and 0 as 0: input scale 0.976, zero point 0, calibrated on "
            "pictures whose brightest value was 249",
        ),
        (
            picture_file(Grid("uint8", 0.97647 / 255, 0), pixel_grid("uint8")),
            "contract",
            "input scale 0.976",
        ),
        (
            picture_file(pixel_grid(), Grid("int8", 1.66364, -69)),
            "contract",
            "the lowest code stands for -98.2 and the highest for 326.1 of 255",
        ),
        (
            picture_file(pixel_grid(), Grid("int8", 1.66364, -69)),
            "coarse",
            "output steps of 1.66 grey levels, 59 of 256 codes below black",
        ),
        (picture_file(pixel_grid("int16"), pixel_grid("int16")), "contract", "int16, not uint8"),
        (real_tail(), "float", "1 tensor(s) of real numbers"),
        (real_tail(), "mixed", "DEQUANTIZE (operator 1) on real numbers"),
        (picture_file(pixel_grid(), pixel_grid(), version=8), "version", "asks for TFLite 2.15"),
        (open_height(), "dynamic", "picture [1, -1, 6, 3]"),
    ],
)
def test_each_fault_is_found_with_its_numbers(content, identifier, said):
    found = [finding for finding in found_in(content) if finding.id == identifier]
    assert found and said in found[0].what
    assert found[0].impact and found[0].fix and identifier in IDENTIFIERS


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("abpn_ip_quant.tflite", real_tail(), "quant, but"),
        ("edsr_f32b5_fp32.tflite", picture_file(pixel_grid(), pixel_grid()), "fp32, but"),
        (
            "net_x3.tflite",
            clipped_file("DEPTH_TO_SPACE", before=pixel_grid()),
            "x3, but the output is 2 times",
        ),
    ],
)
def test_a_name_that_lies_is_found(name, content, said):
    (found,) = [finding for finding in found_in(content, name=name) if finding.id == "name"]
    assert said in found.what


@pytest.mark.parametrize("name", ["edsr_f32b5_full_qint8.tflite", "a_x2.tflite", "floating.tflite"])
def test_a_name_that_fits_is_not(name):
    content = clipped_file("DEPTH_TO_SPACE", before=pixel_grid())
    assert not [finding for finding in found_in(content, name=name) if finding.id == "name"]


def test_the_fix_for_a_clip_says_what_strip_would_do():
    (one,) = [f for f in found_in(clipped_file("MINIMUM", "RELU")) if f.id == "clip"]
    assert one.fix == "sr-export strip takes it out (1 code at most changes)"
    (other,) = [f for f in found_in(clipped_file("MINIMUM", top=0.4)) if f.id == "clip"]
    assert "cannot be taken out here: MINIMUM (operator 1)" in other.fix
    idle = clipped_file("RELU", before=pixel_grid(), after=pixel_grid())
    assert "bit-exact" in next(f for f in found_in(idle) if f.id == "clip").fix


@pytest.mark.parametrize(
    ("outcome", "identifier"),
    [
        ({"crash": "the interpreter was brought down by SIGSEGV"}, "crash"),
        ({"error": "expected to open m, found: no such operator; export it again"}, "refused"),
        (
            {
                "delegation": {
                    "delegated_nodes": 4,
                    "total_nodes": 6,
                    "partitions": 2,
                    "left_behind": ["MINIMUM", "RELU"],
                }
            },
            "partitions",
        ),
        (
            {
                "delegation": {
                    "delegated_nodes": 0,
                    "total_nodes": 1,
                    "partitions": 0,
                    "left_behind": ["TANH"],
                }
            },
            "partitions",
        ),
        (
            {
                "delegation": {
                    "delegated_nodes": 4,
                    "total_nodes": 6,
                    "partitions": 1,
                    "left_behind": ["QUANTIZE", "QUANTIZE"],
                }
            },
            None,
        ),
    ],
)
def test_what_the_interpreter_says_becomes_a_finding(outcome, identifier):
    assert [finding.id for finding in find_in_run(outcome)] == ([identifier] if identifier else [])


def test_identifiers_are_the_documented_ones():
    # A gate in somebody's CI names them: add, never rename.
    assert set(IDENTIFIERS) == {
        "clip",
        "coarse",
        "contract",
        "crash",
        "dynamic",
        "float",
        "mixed",
        "name",
        "partitions",
        "refused",
        "version",
    }
