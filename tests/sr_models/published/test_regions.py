import numpy as np
import pytest

from sr_models.ground.errors import OptionError
from sr_models.published.regions import Regions, regions_of


def test_the_break_point_is_the_quantile_of_the_signed_values():
    # 0..100 and as many negative ones: that of |x| would be 99.
    values = np.concatenate([np.arange(101.0), -np.arange(1.0, 101.0)])
    assert regions_of(values) == Regions(-100.0, 100.0, 98.0)


def test_bounds_are_averaged_and_the_break_point_is_the_last_batchs():
    first, second = np.linspace(-1.0, 1.0, 101), np.linspace(-11.0, 21.0, 101)
    found = regions_of(first).after(second)
    assert found.lower == pytest.approx(0.9 * -1.0 + 0.1 * -11.0)
    assert found.upper == pytest.approx(0.9 * 1.0 + 0.1 * 21.0)
    assert found.break_point == regions_of(second).break_point
    meant = regions_of(first).after(second, break_points="ema").break_point
    assert meant == pytest.approx(0.9 * 0.98 + 0.1 * found.break_point)
    with pytest.raises(OptionError, match="expected break points of last, ema"):
        regions_of(first).after(second, break_points="mean")


def test_values_that_are_never_positive_still_have_a_dense_region():
    found = regions_of(-np.arange(101.0))
    assert found.break_point == 99.0
    assert regions_of(np.zeros(5)).break_point > 0.0


@pytest.mark.parametrize(
    "crossed, expected",
    [
        (Regions(2.0, -1.0, 0.5), Regions(-1.0, 2.0, 0.5)),
        (Regions(-1.0, 2.0, 7.0), Regions(-1.0, 2.0, 2.0)),
        (Regions(-1.0, 2.0, -0.5), Regions(-1.0, 2.0, 1e-8)),
        (Regions(-1.0, 2.0, 0.5), Regions(-1.0, 2.0, 0.5)),
    ],
)
def test_crossed_bounds_are_put_in_order(crossed, expected):
    assert crossed.ordered == expected
    assert expected.to_json()["upper"] == expected.upper
