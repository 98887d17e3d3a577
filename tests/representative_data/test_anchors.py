import numpy as np
import pytest

from representative_data.anchors import Spot, find_anchors
from representative_data.probe import OutputProbe, OutputProber
from sr_models.ground.errors import CalibrationError
from sr_models.ground.pixel_range import PIXEL_TOLERANCE
from tests.networks import sharpening_network


def test_a_spot_touches_white_and_keeps_its_floor_at_the_border():
    picture = Spot(level=0.9, sigma=4.0, floor=0.25).draw(64)
    assert picture.shape == (64, 64, 3)
    assert picture[32, 32].tolist() == [255, 255, 255]
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert set(np.unique(border)) == {64}  # 0.25 * 255, rounded


def test_a_spot_of_luma_has_one_channel():
    spot = Spot(level=0.9, sigma=4.0, floor=0.25)
    np.testing.assert_array_equal(spot.draw(64, 1), spot.draw(64)[..., :1])


@pytest.mark.parametrize("tail", ["relu", "none"])
def test_anchors_span_the_input_and_keep_the_output_inside(tail):
    probe = OutputProber(sharpening_network(tail=tail, strength=0.04))
    anchors = find_anchors(probe)
    pixels = [anchor.pixels for anchor in anchors]
    assert min(p.min() for p in pixels) == 0
    assert max(p.max() for p in pixels) == 255
    found = probe(pixels)
    assert found.maximum.max() == pytest.approx(1.0, abs=PIXEL_TOLERANCE)
    assert found.minimum.min() == pytest.approx(0.0, abs=PIXEL_TOLERANCE)


def test_a_flat_white_picture_would_not_do():
    """The reason for anchors: zero padding makes white overshoot at the border."""
    probe = OutputProber(sharpening_network(strength=0.04))
    white = probe([np.full((64, 64, 3), 255, np.uint8)])
    assert white.maximum.max() == pytest.approx(1.08, abs=1e-5)  # corners: 1 + 2 * 0.04


def test_a_network_without_an_anchor_says_so():
    def brightening(pictures):
        ends = np.array([[p.max() / 255 + 0.1] * 3 for p in pictures])
        return OutputProbe(0.0 * ends, ends)

    with pytest.raises(CalibrationError, match=r"leaves it by 0\.1000 or more"):
        find_anchors(brightening)


@pytest.mark.parametrize("tail", ["relu", "none"])
def test_few_pictures_are_asked_about(tail):
    probe = OutputProber(sharpening_network(tail=tail, strength=0.04))
    find_anchors(probe)
    assert probe.forward_passes <= 200


def test_the_level_is_refined_beyond_the_coarse_grid():
    """A network whose answer to a spot is 1 at one level only, which lies between grid points."""

    def picky(pictures):
        # The bell beside the spot tells the level: 1 where it is 0.83 of white.
        beside = np.array([np.sort(p[..., 0].ravel())[-2] / 255 for p in pictures])
        ends = np.repeat((1.0 + (beside - 0.83) * 0.5)[:, None], 3, axis=1)
        return OutputProbe(0.0 * ends, ends)

    white = find_anchors(picky)[0]
    assert white.output[1] == pytest.approx(1.0, abs=0.005)
    assert abs(float(white.output[1]) - 1.0) < PIXEL_TOLERANCE
