import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sr_models.ground.errors import PictureError
from sr_models.ground.pictures import crop_to_multiple, degrade, resize_bicubic


def keys(x):
    """Keys' cubic convolution kernel with a = -0.5 (Keys 1981, equation 15), in float64."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1.0
    far = -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0
    return np.where(x <= 1.0, near, np.where(x < 2.0, far, 0.0))


def resizing_matrix(before, after):
    """Row i holds the weights of output i, from the centres of pixels and nothing else.

    On reduction the kernel is widened by the factor, which makes it an antialiasing filter; what
    falls outside of the picture is left out and the rest normalised.
    """
    factor = before / after
    centres = (np.arange(after) + 0.5) * factor
    distances = (np.arange(before) + 0.5)[None, :] - centres[:, None]
    weights = keys(distances / max(factor, 1.0))
    return weights / weights.sum(axis=1, keepdims=True)


def derived(picture, height, width):
    rows = resizing_matrix(picture.shape[0], height)
    columns = resizing_matrix(picture.shape[1], width)
    return np.einsum("ih,hwc,jw->ijc", rows, picture.astype(np.float64), columns)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_against_an_independent_bicubic(scale, photographs):
    side = 30 * scale
    for picture in photographs.values():
        high = picture[100 : 100 + side, 60 : 60 + side + 5 * scale]
        exact = np.clip(derived(high, 30, 35), 0, 255)
        found = degrade(high, scale)
        # Half a code is rounding itself; beyond it only what float32 weights can add.
        assert np.abs(found - exact).max() < 0.5 + 1e-3


def test_upscaling_against_an_independent_bicubic(photographs):
    low = photographs["coffee"][:31, :23]
    found = resize_bicubic(low, height=93, width=69)
    assert np.abs(found - np.clip(derived(low, 93, 69), 0, 255)).max() < 0.5 + 1e-3


@given(
    value=st.integers(0, 255),
    scale=st.sampled_from([2, 3, 4]),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
)
def test_a_constant_stays_constant(value, scale, height, width):
    flat = np.full((height * scale, width * scale, 3), value, dtype=np.uint8)
    np.testing.assert_array_equal(degrade(flat, scale), flat[:height, :width])


def test_overshoot_saturates():
    edge = np.zeros((12, 12, 3), dtype=np.uint8)
    edge[:, 6:] = 255
    assert derived(edge, 36, 36).max() > 256
    found = resize_bicubic(edge, height=36, width=36)
    assert found.max() == 255 and found.min() == 0
    assert (np.diff(found[0, 9:27, 0].astype(int)) >= 0).all(), "nothing wrapped"


def test_channels_do_not_mix():
    picture = np.zeros((6, 6, 3), dtype=np.uint8)
    picture[..., 1] = np.arange(36).reshape(6, 6)
    found = degrade(picture, 3)
    assert not found[..., [0, 2]].any() and found[..., 1].any()


def test_sides_must_be_multiples():
    with pytest.raises(ValueError, match="multiples of 3"):
        degrade(np.zeros((9, 10, 3), dtype=np.uint8), 3)


@given(height=st.integers(1, 40), width=st.integers(1, 40), multiple=st.integers(1, 4))
def test_cropping_keeps_the_top_left_corner(height, width, multiple):
    picture = np.arange(height * width * 3).reshape(height, width, 3)
    if min(height, width) < multiple:
        with pytest.raises(PictureError, match=f"found {width}x{height}"):
            crop_to_multiple(picture, multiple)
        return
    found = crop_to_multiple(picture, multiple)
    assert found.shape[0] == height // multiple * multiple
    assert found.shape[1] == width // multiple * multiple
    np.testing.assert_array_equal(found, picture[: found.shape[0], : found.shape[1]])
