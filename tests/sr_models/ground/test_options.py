import re

import pytest
import typer

from sr_models.ground import options
from sr_models.ground.console import require_json_target, status_of_command
from sr_models.ground.errors import OptionError


def app_with(annotation, default):
    """A command with one option that prints what it is given."""
    app = typer.Typer(rich_markup_mode="rich")

    @app.command()
    def work(given: annotation = default):
        print("given", given)

    return app


def test_a_place_that_cannot_take_json_is_known_before_the_work(tmp_path, capsys):
    assert status_of_command(app_with(options.Json, None), ["--json", tmp_path]) == 2
    shown = capsys.readouterr()
    assert "expected a file for JSON" in shown.err and "given" not in shown.out
    (option,) = options.Json.__metadata__
    assert option.callback is require_json_target


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (options.Images, "scikit-image's pictures"),
        (options.Pixels, "found"),
        (options.Sizes, "360x640"),
    ],
)
def test_help_tells_what_an_option_left_out_means(annotation, said, capsys):
    """Square brackets in a help text would be taken for markup, and not be shown."""
    assert status_of_command(app_with(annotation, None), ["--help"]) == 0
    shown = re.sub(r"[\s│]+", " ", capsys.readouterr().out)
    assert f"[default: ({said})]" in shown


def test_no_shared_help_text_holds_what_markup_would_swallow():
    shared = [value for value in vars(options).values() if hasattr(value, "__metadata__")]
    texts = [option.help for value in shared for option in value.__metadata__]
    assert len(texts) > 15
    assert not [text for text in texts if "[" in text]


@pytest.mark.parametrize("tail", ["relu", "none"])
def test_tails_that_show_what_must_be_tamed_are_taken(tail):
    assert options.require_open_tail(tail) == tail


@pytest.mark.parametrize("tail", ["clip", "conv_clip", "magic"])
def test_tails_that_hide_it_are_refused(tail):
    with pytest.raises(OptionError, match=f"found '{tail}'"):
        options.require_open_tail(tail)


def test_a_set_is_shaped_by_a_known_method():
    assert [options.require_shaping(method) for method in ("cfqp", "natural")]
    with pytest.raises(OptionError, match="a method of cfqp, natural, found 'magic'"):
        options.require_shaping("magic")
