import numpy as np
import pytest

from export.exporting.conversion import convert_with_calibrator
from export.inspecting.audit import audit_model, check_pixel_contract
from sr_models.ground.errors import ModelFileError
from sr_models.networks.tails import attach_tail
from sr_models.tflite.flatbuffer import TensorInfo, read_graph
from tests.networks import branched_trunk, sharpening_trunk


def tensor(scale=1 / 255, zero_point=0, dtype="uint8"):
    return TensorInfo("t", (1, 4, 4, 3), dtype, scale, zero_point, (scale,), False)


@pytest.fixture(scope="module")
def clipped(natural):
    model = attach_tail(sharpening_trunk(), "clip", scale=2)
    return convert_with_calibrator(model, natural, height=24, width=24)


@pytest.mark.parametrize(
    "good",
    [
        tensor(),
        tensor(zero_point=-128, dtype="int8"),
        tensor(scale=1.0),
        tensor(scale=(1 + 1 / 511) / 255),
        tensor(scale=(1 - 1 / 511) / 255),
    ],
)
def test_codes_that_are_pixels_keep_the_contract(good):
    assert check_pixel_contract((good,), (good,)).holds


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (tensor(scale=(1 + 1 / 509) / 255), "scale"),
        (tensor(scale=0.0049), "code 255 stands for 318.6 of 255"),
        (tensor(scale=0.97647), "code 255 stands for 249.0 of 255"),
        (tensor(zero_point=1), "black has code 1"),
        (tensor(zero_point=0, dtype="int8"), "black has code 128"),
        (tensor(dtype="float32"), "float32, not uint8 or int8"),
        (TensorInfo("t", (1,), "uint8", None, None, (), False), "no scale"),
    ],
)
def test_a_broken_contract_says_why(bad, reason):
    for contract in (
        check_pixel_contract((bad,), (tensor(),)),
        check_pixel_contract((tensor(),), (bad,)),
    ):
        assert not contract.holds
        assert reason in contract.reasons[0]


def test_the_clip_of_a_shipped_file_is_found_with_its_place(clipped):
    audit = audit_model(clipped)
    assert [(op["op"], op["height"], op["width"], op["channels"]) for op in audit.clip_ops] == [
        ("MINIMUM", 48, 48, 3),
        ("RELU", 48, 48, 3),
    ]
    assert audit.ops["MINIMUM"] == 1


def test_a_relu_inside_of_the_network_is_no_clip(natural):
    model = attach_tail(branched_trunk(), "none", scale=2)
    audit = audit_model(convert_with_calibrator(model, natural, height=24, width=24))
    assert audit.clip_ops == ()


def test_json_has_the_agreed_keys(clipped):
    data = audit_model(clipped).to_json()
    assert {
        "full_integer",
        "clip_ops",
        "ops",
        "inputs",
        "outputs",
        "pixel_contract",
        "float_tensors",
        "sha256",
    } <= set(data)
    assert set(data["inputs"][0]) == {"name", "shape", "dtype", "scale", "zero_point"}
    assert set(data["pixel_contract"]) == {"holds", "reasons"}


def test_the_hash_is_the_files(clipped, tmp_path):
    import hashlib

    path = tmp_path / "clipped.tflite"
    path.write_bytes(clipped)
    assert audit_model(path).sha256 == hashlib.sha256(clipped).hexdigest()


@pytest.mark.parametrize("content", [b"", b"text, no model", b"\x1c\0\0\0TFL3" + b"\xff" * 64])
def test_other_content_is_refused(content, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"expected a (whole )?\.tflite file"):
        audit_model(path)


def test_missing_files_and_folders_are_refused(tmp_path):
    for path in (tmp_path / "none.tflite", tmp_path):
        with pytest.raises(ModelFileError, match=r"expected a \.tflite file"):
            audit_model(path)


def test_truncated_and_flipped_files_never_leak_another_exception(clipped):
    rng = np.random.default_rng(0)
    for length in range(0, len(clipped), max(1, len(clipped) // 60)):
        _read_or_refuse(clipped[:length])
    for _ in range(300):
        damaged = bytearray(clipped)
        for place in rng.integers(0, len(damaged), 4):
            damaged[place] = rng.integers(256)
        _read_or_refuse(bytes(damaged))


def _read_or_refuse(content):
    try:
        read_graph(content)
    except ModelFileError as error:
        assert "\n" not in str(error)
