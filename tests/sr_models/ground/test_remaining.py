import pytest

from sr_models.ground import console
from sr_models.ground.remaining import Remaining


def after(seconds: float, done: float) -> Remaining:
    now = iter([0.0, seconds, seconds])
    remaining = Remaining(lambda: next(now))
    remaining.update(done, 100)
    return remaining


def test_the_rest_goes_on_as_fast_as_the_beginning():
    assert after(30.0, 25).seconds == 90.0
    assert after(30.0, 100).seconds == 0.0


@pytest.mark.parametrize(
    ("seconds", "done", "expected"),
    [
        (1.0, 50, ""),  # hardly begun
        (30.0, 4, ""),
        (30.0, 25, "about 90 s left"),
        (30.0, 20, "about 2 min left"),
        (3600.0, 10, "about 9.0 h left"),
        (30.0, 98, ""),  # nothing worth telling
    ],
)
def test_it_is_told_in_round_numbers(seconds, done, expected):
    assert str(after(seconds, done)) == expected


def test_other_work_begins_anew():
    now = iter([0.0, 50.0, 60.0])
    remaining = Remaining(lambda: next(now))
    remaining.update(90, 100)
    remaining.update(0, 100)
    remaining.update(50, 100)
    assert remaining.seconds == 10.0


def test_stages_are_lines_with_what_is_left(capsys, monkeypatch):
    monkeypatch.setattr(console, "Remaining", lambda: after(30.0, 25))
    with console.stages("exporting") as (stage, _):
        stage("quantizing: split")
    assert capsys.readouterr().err == "quantizing: split (about 90 s left)\n"
