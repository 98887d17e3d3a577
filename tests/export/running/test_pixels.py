import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from export.exporting.conversion import convert_float, convert_with_calibrator, convert_with_ranges
from export.running.interpreters import Tensor, open_model
from export.running.pixels import (
    codes_of_pixels,
    dequantized_pixels,
    ends_of,
    pixels_of_codes,
    quantized_pixels,
    upscale,
)
from representative_data.observation import observe_ranges, pin_pixels
from sr_models.ground.errors import ModelFileError
from sr_models.ground.pixel_range import Ends

ALL_CODES = np.arange(256, dtype=np.uint8)
pictures = arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)))
contracts = st.sampled_from(
    [
        ("uint8", 1 / 255, 0),
        ("int8", 1 / 255, -128),
        ("uint8", 1.0, 0),
        ("int8", 1.0, -128),
    ]
)


def tensor(dtype="uint8", scale=1 / 255, zero_point=0):
    return Tensor("t", (1, 4, 4, 3), dtype, scale, zero_point)


FLOAT = tensor("float32", None, None)


@given(pictures, contracts)
def test_under_the_contract_codes_are_pixels_by_both_readings(picture, contract):
    t = tensor(*contract)
    codes = codes_of_pixels(picture, t)
    assert codes.dtype == np.dtype(t.dtype)
    np.testing.assert_array_equal(quantized_pixels(picture, t), codes)
    np.testing.assert_array_equal(pixels_of_codes(codes, t), picture)
    pixels, saturated = dequantized_pixels(codes, t)
    np.testing.assert_array_equal(pixels, picture)
    assert saturated == 0.0


@given(pictures, st.sampled_from([(0.0, 1.0), (0.0, 255.0), (-1.0, 1.0), (-0.5, 2.5)]))
def test_float_round_trip(picture, ends):
    ends = Ends(*ends)
    fed = quantized_pixels(picture, FLOAT, ends=ends)
    assert fed.dtype == np.float32 and ends.black <= fed.min() and fed.max() <= ends.white
    pixels, saturated = dequantized_pixels(fed, FLOAT, ends=ends)
    np.testing.assert_array_equal(pixels, picture)
    assert saturated == 0.0


@given(arrays(np.int8, st.integers(1, 50)), st.floats(1e-4, 0.1), st.integers(-128, 127))
def test_pixels_rise_with_codes_and_the_count_is_a_fraction(codes, scale, zero_point):
    codes = np.sort(codes)
    pixels, saturated = dequantized_pixels(codes, tensor("int8", scale, zero_point))
    assert pixels.dtype == np.uint8
    assert (np.diff(pixels.astype(int)) >= 0).all()
    assert 0.0 <= saturated <= 1.0


def test_int8_codes_are_pixels_less_128():
    codes = codes_of_pixels(ALL_CODES, tensor("int8", zero_point=-128))
    assert (codes[0], codes[128], codes[255]) == (-128, 0, 127)


def test_a_loose_range_by_hand():
    # Scale 0.0049: white is code 1 / 0.0049 = 204.08, so code 204 is pixel 254.9, rounded 255.
    t = tensor(scale=0.0049)
    pixels, saturated = dequantized_pixels(np.array([0, 100, 204, 205, 255], np.uint8), t)
    assert pixels.tolist() == [0, 125, 255, 255, 255]
    # Codes 205 (1.0045) and 255 (1.2495) are above white.
    assert saturated == pytest.approx(2 / 5)
    # Pixel 255 is fed as the nearest code.
    assert quantized_pixels(np.array([255], np.uint8), t).tolist() == [204]


def test_both_ends_are_saturated_and_counted():
    values = np.array([-0.5, -1e-6, 0.0, 0.5, 1.0, 1.0 + 1e-6, 7.0], np.float32)
    pixels, saturated = dequantized_pixels(values, FLOAT)
    # 0.5 * 255 = 127.5 rounds to the even 128.
    assert pixels.tolist() == [0, 0, 0, 128, 255, 255, 255]
    assert saturated == pytest.approx(2 / 7)


def test_a_narrow_input_saturates_what_is_fed():
    fed = quantized_pixels(ALL_CODES, tensor("int8", 0.5 / 255, -128))
    assert (fed[0], fed[127], fed[255]) == (-128, 126, 127)


def test_int16_is_read_dequantized():
    t = tensor("int16", 1 / 32767, 0)
    assert pixels_of_codes(np.array([0, 16384, 32767], np.int16), t).tolist() == [0, 128, 255]
    np.testing.assert_array_equal(
        codes_of_pixels(np.array([0, 255], np.uint8), t), np.array([0, 32767], np.int16)
    )


@pytest.mark.parametrize(
    ("t", "ends"),
    [
        (tensor(), (0, 1)),
        (tensor(scale=0.0049), (0, 1)),
        (tensor("int8", 1 / 255, -128), (0, 1)),
        (tensor(scale=1.0), (0, 255)),
        (tensor(scale=1.3), (0, 255)),
        (tensor("int8", 1.0, -128), (0, 255)),
        (tensor("int8", 1.0, 0), (-128, 127)),
        (tensor("int16", 1 / 32767, 0), (0, 1)),
        (tensor("int16", 255 / 32767, 0), (0, 255)),
        (tensor(scale=2 / 255, zero_point=127), (-1, 1)),
        (tensor(scale=2 / 255, zero_point=128), (-1, 1)),
        (tensor("int8", 2.3 / 255, -10), (-1, 1)),
        (tensor("int8", 1.3 / 255, -88), (0, 1)),
        (tensor("uint8", None, None), (0, 255)),
        (tensor("int8", None, None), (-128, 127)),
        (FLOAT, (0, 1)),
    ],
)
def test_black_and_white_are_told_by_what_the_tensor_can_hold(t, ends):
    assert ends_of(t) == ends


@pytest.mark.parametrize("zero_point", [127, 128])
def test_codes_of_negative_values_are_pixels_to_half_a_code(zero_point):
    """Code c stands for (c - z) 2/255, whose pixel is c - z + 127.5: half a code from c."""
    t = tensor(scale=float(np.float32(2 / 255)), zero_point=zero_point)
    np.testing.assert_array_equal(quantized_pixels(ALL_CODES, t), ALL_CODES)
    pixels, saturated = dequantized_pixels(ALL_CODES, t)
    np.testing.assert_array_equal(pixels, ALL_CODES)
    assert saturated == 0.0


def test_a_loose_range_of_negative_values_by_hand():
    # Scale 0.01, zero point 110: white is code 110 + 100, black 10; code 110 is 0, mid-grey.
    t = tensor(scale=0.01, zero_point=110)
    pixels, saturated = dequantized_pixels(np.array([0, 10, 110, 160, 210, 255], np.uint8), t)
    assert pixels.tolist() == [0, 0, 128, 191, 255, 255]
    assert saturated == pytest.approx(2 / 6)
    # Pixel 51 is 51 / 127.5 - 1 = -0.6, sixty codes below 110.
    assert quantized_pixels(np.array([0, 51, 255], np.uint8), t).tolist() == [10, 50, 210]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_output_that_is_no_number_is_refused(bad):
    with pytest.raises(ModelFileError, match="expected finite output"):
        dequantized_pixels(np.array([0.5, bad], np.float32), FLOAT)


@pytest.fixture(scope="module")
def contents(sharpening, natural):
    ranges = pin_pixels(observe_ranges(sharpening, natural), sharpening)
    sample = natural.pictures[0]
    made = {
        io: convert_with_ranges(sharpening, ranges, sample=sample, height=24, width=24, io=io)
        for io in ("uint8", "int8")
    }
    made["natural"] = convert_with_calibrator(sharpening, natural, height=24, width=24)
    made["float"] = convert_float(sharpening, height=24, width=24)
    return made


def upscaled(content, picture):
    return upscale(open_model(content, delegate="builtin"), picture)


def test_int8_and_uint8_interfaces_give_the_same_pixels(contents, natural):
    picture = natural.pictures[2]
    first, second = upscaled(contents["uint8"], picture), upscaled(contents["int8"], picture)
    np.testing.assert_array_equal(first.raw, second.raw)
    np.testing.assert_array_equal(first.raw, first.dequantized)
    np.testing.assert_array_equal(second.raw, second.dequantized)
    assert first.saturated_fraction == second.saturated_fraction == 0.0


def test_a_broken_contract_darkens_the_raw_reading(contents, natural):
    picture = natural.pictures[2]
    found = upscaled(contents["natural"], picture)
    assert found.raw.mean() < found.dequantized.mean() - 5
    expected = upscaled(contents["float"], picture).dequantized
    assert np.abs(found.dequantized.astype(int) - expected).max() <= 4


def test_float_output_is_saturated_and_counted(contents, sharpening, natural):
    picture = natural.pictures[2]
    found = upscaled(contents["float"], picture)
    output = sharpening(picture[None] / np.float32(255)).numpy()[0]
    expected = np.rint(np.clip(output, 0, 1) * 255)
    assert np.abs(found.raw - expected).max() <= 1
    np.testing.assert_array_equal(found.raw, found.dequantized)
    # The network's ReLU lets nothing below 0 through.
    assert found.saturated_fraction == pytest.approx((output > 1).mean(), abs=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (5, 31), (40, 24)])
def test_each_picture_is_upscaled_at_its_own_size(shape, contents, photographs):
    picture = photographs["coffee"][: shape[0], : shape[1]]
    found = upscaled(contents["uint8"], picture)
    assert found.raw.shape == (2 * shape[0], 2 * shape[1], 3)
