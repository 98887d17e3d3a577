"""What vendors' compilers take: facts, the page that prints them, and the plugins themselves."""

import re
import struct
from pathlib import Path

import ai_edge_litert
import pytest
from ai_edge_litert import schema_py_generated as schema

from export.inspecting.vendor_tables import VENDORS
from export.inspecting.vendors import judge_graph
from sr_models.tflite.flatbuffer import FileGraph, OperatorInfo, TensorInfo

PLUGINS = Path(ai_edge_litert.__file__).parent / "vendors"
PAGE = Path(__file__).parents[3] / "docs" / "targets.md"
BUILTINS = {n: k for k, n in vars(schema.BuiltinOperator).items() if isinstance(n, int)}


def one_operator(
    name, *, before="int8", after="int8", scale=3, groups=1, inputs=1, zero=-128
) -> FileGraph:
    """A file of one operator that enlarges a picture of eight channels."""

    def tensor(dtype, shape, constant=False):
        return TensorInfo("t", shape, dtype, 0.1, zero, (0.1,), constant)

    tensors = (
        tensor(before, (1, 6, 8, 8)),
        tensor("int8", (12, 3, 3, 8 // groups), constant=True),
        tensor(after, (1, 6 * scale, 8 * scale, 8)),
        tensor("int32", (4,), constant=True),
    )
    read = {"CONV_2D": (0, 1), "TRANSPOSE_CONV": (3, 1, 0)}.get(name, (0,) * inputs)
    return FileGraph(tensors, (OperatorInfo(0, name, read, (2,)),), (0,), (2,), 1, "0" * 64, 1)


def taken(vendor, name, **kind):
    (verdict,) = judge_graph(one_operator(name, **kind), VENDORS[vendor]).verdicts
    assert str(verdict.source) and (verdict.taken or verdict.reason)
    return verdict.taken


@pytest.mark.parametrize(
    ("vendor", "name", "kind", "expected"),
    [
        ("mediatek", "DEPTH_TO_SPACE", {}, False),
        ("samsung", "DEPTH_TO_SPACE", {}, False),
        ("mediatek", "RELU_0_TO_1", {}, False),
        ("samsung", "PRELU", {}, False),
        ("qualcomm", "DEPTH_TO_SPACE", {}, True),
        ("mldrift", "DEPTH_TO_SPACE", {"before": "float32", "after": "float32"}, False),
        ("mldrift", "TRANSPOSE_CONV", {"before": "float32", "after": "float32"}, False),
        ("mldrift", "DEPTH_TO_SPACE", {}, True),
        ("mldrift", "RELU_0_TO_1", {}, None),
        ("mediatek", "CONV_2D", {"groups": 4}, None),
        ("mediatek", "CONV_2D", {}, True),
        ("samsung", "CONV_2D", {"groups": 4}, True),
        ("samsung", "QUANTIZE", {"before": "uint8"}, None),
        ("samsung", "QUANTIZE", {"before": "float32"}, True),
        ("google", "CONV_2D", {}, None),
        ("google", "SHAPE", {}, False),
        ("ethos-u", "TRANSPOSE_CONV", {"scale": 3}, False),
        ("ethos-u", "TRANSPOSE_CONV", {"scale": 2}, True),
        ("ethos-u", "RESIZE_NEAREST_NEIGHBOR", {"scale": 4}, True),
        ("xnnpack", "QUANTIZE", {"before": "uint8"}, False),
        ("xnnpack", "QUANTIZE", {}, True),
        ("xnnpack", "CONCATENATION", {"inputs": 6}, False),
        ("xnnpack", "TOPK_V2", {}, None),
    ],
)
def test_what_is_known_stands_in_the_tables(vendor, name, kind, expected):
    assert taken(vendor, name, **kind) is expected


def test_remarks_are_those_that_concern_the_file():
    def notes(vendor, *arguments, **kind):
        return " ".join(
            judge_graph(one_operator(*arguments, **kind), VENDORS[vendor]).to_json()["notes"]
        )

    assert "before July 2026" in notes("mediatek", "ADD") and "0cd3ef88f" in notes(
        "mediatek", "ADD"
    )
    assert "before July 2026" not in notes("mediatek", "ADD", zero=0)
    assert "rejects QUANTIZE of integers" in notes("mldrift", "QUANTIZE", before="uint8")
    assert "rejects QUANTIZE" not in notes("mldrift", "QUANTIZE", before="float32")


def test_an_operator_that_lacks_its_tensors_is_judged_too():
    names = ("CONV_2D", "TRANSPOSE_CONV", "QUANTIZE", "RESIZE_BILINEAR", "CONCATENATION")
    operators = tuple(
        OperatorInfo(index, name, tensors, ())
        for index, (name, tensors) in enumerate((n, t) for n in names for t in ((), (-1,)))
    )
    graph = FileGraph((), operators, (), (), 1, "0" * 64, 1)
    for vendor in VENDORS.values():
        assert len(judge_graph(graph, vendor).to_json()["operators"]) == 10


def test_a_report_says_what_is_taken_what_not_and_what_is_unknown():
    known = judge_graph(one_operator("ADD"), VENDORS["samsung"])
    assert known.whole is True and known.in_words == "takes all 1 operators, by its table"
    unknown = judge_graph(one_operator("QUANTIZE"), VENDORS["samsung"])
    assert unknown.whole is None and "unknown: 1 QUANTIZE" in unknown.in_words
    refused = judge_graph(one_operator("PRELU"), VENDORS["samsung"])
    data = refused.to_json()
    assert (refused.whole, data["operators"][0]["taken"]) == (False, False)
    assert data["operators"][0]["reason"] == "not on its list" and "1ade56915d" in data["source"]


def test_every_row_has_a_place_a_commit_or_version_and_a_date():
    for vendor in VENDORS.values():
        sources = [vendor.source, *(r.source for r in (*vendor.rules, *vendor.remarks))]
        for source in sources:
            assert source.place and "2026" in source.date
            assert source.at or "issue" in source.place or "pull requests" in source.place
        assert (vendor.listed | vendor.refused) <= set(BUILTINS.values())


def listed_in(plugin: str, first: tuple[str, ...]) -> set[str]:
    """The list of operators in a plugin that LiteRT ships: int32 codes in a row.

    Found by the operators that it begins with.
    """
    (file,) = (PLUGINS / plugin / "compiler").glob("*.so")
    content = file.read_bytes()
    codes = [getattr(schema.BuiltinOperator, name) for name in first]
    start = content.index(struct.pack(f"<{len(codes)}i", *codes))
    numbers = (struct.unpack_from("<i", content, at)[0] for at in range(start, len(content), 4))
    found = set()
    for number in numbers:
        if number not in BUILTINS or BUILTINS[number] in found:
            return found
        found.add(BUILTINS[number])
    return found


@pytest.mark.parametrize(
    ("vendor", "plugin", "first"),
    [
        ("mediatek", "mediatek", ("ADD", "MUL", "BATCH_MATMUL")),
        ("intel", "intel_openvino", ("CONV_2D", "DEPTHWISE_CONV_2D", "SPLIT")),
        ("google", "google_tensor", ("ASSIGN_VARIABLE", "BIDIRECTIONAL_SEQUENCE_LSTM")),
    ],
)
def test_lists_are_those_of_the_plugins_that_litert_ships(vendor, plugin, first):
    if not (PLUGINS / plugin / "compiler").is_dir():
        pytest.skip(f"this ai-edge-litert ships no plugin of {vendor}")
    found = listed_in(plugin, first) - {"STABLEHLO_COMPOSITE"}
    table = VENDORS[vendor]
    # Composites are told apart by their own names, and no picture needs one.
    assert found == (table.refused if vendor == "google" else table.listed)


KINDS = {
    "CONV_2D": {},
    "CONV_2D of several groups": {"groups": 4},
    "DEPTH_TO_SPACE": {},
    "TRANSPOSE_CONV, twice": {"scale": 2},
    "TRANSPOSE_CONV, three times": {"scale": 3},
    "RESIZE_NEAREST_NEIGHBOR, three times": {"scale": 3},
    "RESIZE_BILINEAR, three times": {"scale": 3},
    "QUANTIZE between uint8 and int8": {"before": "uint8"},
    "QUANTIZE of int8": {},
}
"""Rows of the page that are no operator's name."""


def test_the_page_prints_the_tables():
    text = PAGE.read_text()
    lines = re.search(r"\| operator \|(.*?)\n\n", text, re.DOTALL)[0].strip().splitlines()
    names = [cell.strip() for cell in lines[0].strip("|").split("|")][1:]
    assert set(names) == set(VENDORS) and len(lines) > 20
    words = {True: "yes", False: "**no**", None: "unknown"}
    for line in lines[2:]:
        row, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        operator = row.split()[0].strip("`,")
        kind = KINDS.get(row.replace("`", ""), {})
        assert cells == [words[taken(name, operator, **kind)] for name in names], row
