import pytest

from sr_models.ground.errors import OptionError
from sr_models.published.tuning import TuningResult, TuningSettings


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": -1},
        {"batch_size": 0},
        {"rate": 0.0},
        {"decay": 1.5},
        {"held_back": 0.0},
        {"align": "code"},
        {"seed": -1},
    ],
)
def test_settings_that_cannot_be_are_refused(values):
    with pytest.raises(OptionError, match=r"expected .*, found"):
        TuningSettings(**values)


def test_both_are_plain_data():
    settings = TuningSettings(epochs=3, relative=False)
    assert TuningSettings(**settings.to_json()) == settings
    result = TuningResult(6, 4, 0.5, (0.7, 0.5), True)
    assert result.to_json()["best_step"] == 4
