import pytest

from sr_models.ground.errors import OptionError
from sr_models.published.settings import PamsSettings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bits": 1}, "2 to 16"),
        ({"bits": 17}, "2 to 16"),
        ({"edge_bits": 1}, "2 to 16"),
        ({"placement": "everywhere"}, "integer, figure, code"),
        ({"placement": "figure", "edges": True}, "leave them float or give 'integer'"),
    ],
)
def test_settings_that_cannot_be(given, message):
    with pytest.raises(OptionError, match=message):
        PamsSettings(**given)


@pytest.mark.parametrize(("bits", "start"), [(4, "mean"), (6, "mean"), (8, "largest")])
def test_where_steps_are_plenty_alphas_clip_nothing_at_first(bits, start):
    assert PamsSettings(bits).alpha_start == start


def test_settings_need_no_tensorflow(run_python):
    code = (
        "import sys; from sr_models.training.course import PamsCourse; "
        "print('tensorflow' in sys.modules)"
    )
    assert run_python(code).stdout.strip() == "False"
