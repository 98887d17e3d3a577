import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from representative_data.choices import METHODS, Taming
from representative_data.probe import OutputProbe, OutputProber
from representative_data.taming import affine_step, fits, tame
from sr_models.ground.errors import OptionError
from sr_models.ground.pixel_range import PIXEL_TOLERANCE
from tests.networks import sharpening_network


def linear_probe(gain, offset=0.0):
    """A network that answers `gain x + offset`, and the number of times it was asked."""
    calls = []

    def probe(pictures):
        calls.append(len(pictures))
        ends = [(p.min() / 255 * gain + offset, p.max() / 255 * gain + offset) for p in pictures]
        low, high = (np.array([[end] * 3 for end in side]) for side in zip(*ends))
        return OutputProbe(low, high)

    return probe, calls


def ramp(low, high):
    return np.linspace(low, high, 64 * 3).round().astype(np.uint8).reshape(8, 8, 3)


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_that_fits_is_left_alone(method):
    probe, calls = linear_probe(0.9)
    picture = ramp(10, 250)
    (result,) = tame([picture], probe, Taming(method))
    assert result.status == "kept"
    assert (result.gain, result.offset, result.blur_sigma) == (1.0, 0.0, 0.0)
    np.testing.assert_array_equal(result.pixels, picture)
    assert calls == [1]


@pytest.mark.parametrize("method", ["contrast", "intensity"])
def test_a_linear_network_is_tamed_in_two_passes(method):
    probe, calls = linear_probe(1.25)
    (result,) = tame([ramp(0, 255)], probe, Taming(method))
    assert result.status == "tamed"
    assert result.before == pytest.approx((0.0, 1.25))
    assert fits(*result.after)
    # 255 * 0.8 = 204, less a quarter of half a code and rounding.
    assert result.pixels.max() in (203, 204)
    assert len(calls) == 2


def test_contrast_lifts_a_low_end_that_leaves_zero():
    probe, _ = linear_probe(1.2, offset=-0.1)
    (result,) = tame([ramp(0, 255)], probe, Taming("contrast"))
    assert result.status == "tamed"
    assert fits(*result.after)
    assert result.pixels.min() > 15  # 0.1 / 1.2 of 255 is 21


def test_contrast_leaves_a_side_alone_that_fits():
    gain, offset = affine_step(0.3, 1.5, aim=1.0)
    assert gain * 0.3 + offset == pytest.approx(0.3)
    assert gain * 1.5 + offset == pytest.approx(1.0)


@given(low=st.floats(-0.5, 0.4), high=st.floats(0.6, 2.0), aim=st.floats(0.99, 1.0))
def test_an_affine_step_leads_the_range_into_bounds(low, high, aim):
    gain, offset = affine_step(low, high, aim=aim)
    assert 0.0 < gain <= 1.0 + 1e-9
    assert gain * low + offset >= -1e-9
    assert gain * high + offset <= 1.0 + 1e-9


def test_select_drops_what_does_not_fit_and_changes_nothing():
    probe, calls = linear_probe(1.25)
    dark, bright = ramp(0, 200), ramp(0, 255)
    kept, dropped = tame([dark, bright], probe, Taming("select"))
    assert (kept.status, dropped.status) == ("kept", "dropped")
    np.testing.assert_array_equal(dropped.pixels, bright)
    assert calls == [2]


def test_a_network_that_cannot_be_tamed_leads_to_dropped_pictures_in_bounded_passes():
    calls = []

    def stubborn(pictures):
        calls.append(len(pictures))
        ends = np.full((len(pictures), 3), 1.5)
        return OutputProbe(0 * ends, ends)

    (result,) = tame([ramp(0, 255)], stubborn, Taming(max_passes=5))
    assert result.status == "dropped"
    assert len(calls) == 5


def test_only_restless_pictures_are_probed_again():
    probe, calls = linear_probe(1.25)
    tame([ramp(0, 100), ramp(0, 255), ramp(0, 255)], probe)
    assert calls == [3, 2]


@pytest.mark.parametrize("method", ["contrast", "intensity", "blur"])
def test_a_sharpening_network_is_tamed(method):
    """The result is measured again, on the network itself."""
    rng = np.random.default_rng(5)
    pictures = [rng.integers(0, 256, (24, 24, 3), dtype=np.uint8) for _ in range(3)]
    probe = OutputProber(sharpening_network())
    natural = probe(pictures).maximum.max(axis=1)
    assert (natural > 1.2).all()
    results = [r for r in tame(pictures, probe, Taming(method)) if r.status != "dropped"]
    assert results
    after = probe([r.pixels for r in results]).maximum.max(axis=1)
    assert (after <= 1.0 + PIXEL_TOLERANCE / 2).all()
    np.testing.assert_allclose(after, [r.after[1] for r in results], atol=1e-6)
    # A changed picture is led to the end of the range, not just somewhere below it.
    if method != "blur":
        assert (after >= 1.0 - 3 / 255).all()


def test_gain_and_offset_tell_how_to_make_the_pixels_again():
    rng = np.random.default_rng(6)
    picture = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    (result,) = tame([picture], OutputProber(sharpening_network(tail="none")))
    again = np.rint(result.gain * picture.astype(np.float32) + result.offset)
    np.testing.assert_array_equal(result.pixels, np.clip(again, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("keywords", [{"method": "magic"}, {"max_passes": 0}, {"target": "all"}])
def test_unusable_options_are_refused(keywords):
    with pytest.raises(OptionError, match="expected"):
        Taming(**keywords)


def test_one_change_is_shared_by_the_whole_set():
    """The darkest picture fits as it is, and is changed all the same, by the brightest's gain."""
    probe, calls = linear_probe(1.25)
    dark, bright = ramp(0, 100), ramp(0, 255)
    results = tame([dark, bright], probe, Taming("contrast", target="set"))
    assert [r.status for r in results] == ["tamed", "tamed"]
    assert results[0].gain == results[1].gain == pytest.approx(0.8, abs=0.002)
    assert results[0].pixels.max() == 80 and fits(*results[1].after)
    assert calls == [2, 2]


def test_a_set_that_fits_is_left_alone():
    probe, calls = linear_probe(0.9)
    results = tame([ramp(0, 100), ramp(0, 255)], probe, Taming(target="set"))
    assert [r.status for r in results] == ["kept", "kept"] and calls == [2]


def test_passes_are_counted_for_each_picture():
    probe, calls = linear_probe(1.25)
    results = tame([ramp(0, 100), ramp(0, 255)], probe)
    assert [r.passes for r in results] == [1, 2]
    assert sum(r.passes for r in results) == sum(calls)


def test_selection_shares_no_change():
    with pytest.raises(OptionError, match="--taming-target picture"):
        Taming("select", target="set")
