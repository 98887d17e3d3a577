from inspect import signature

import pytest

from export.exporting.settings import CHOICES, DEFAULTS, ExportSettings
from export.quantizing.defaults import DEFAULT_RECIPE
from export.verbs.model import model, overruled
from sr_models.ground.sizes import DYNAMIC, Size


def test_what_help_says_is_what_is_done_where_nothing_is_asked():
    renamed = {"kept": "keep", "most_sensitive": "keep_most_sensitive", "sizes": "size"}
    renamed |= {"kept_precision": "keep_precision"}
    shown = {name: option.default for name, option in signature(model).parameters.items()}
    for choice, group in CHOICES.items():
        default = getattr(getattr(DEFAULTS, group), choice)
        found = shown[renamed.get(choice, choice)]
        if choice == "method":
            assert found == DEFAULT_RECIPE == DEFAULTS.quantizing.recipe
        elif found is None:
            assert choice == "sizes" or default in ((), None)
        else:
            assert found == default, choice


@pytest.mark.parametrize(
    ("before", "options", "after"),
    [
        ({}, {"io": "int8"}, {"io": "int8"}),
        ({"sizes": (DYNAMIC,)}, {"size": (Size(3, 4),)}, {"sizes": (Size(3, 4),)}),
        ({"tail": "none"}, {"size": (Size(3, 4),)}, {"tail": "none", "sizes": (Size(3, 4),)}),
        ({"precision": "mixed", "kept": ("mix",)}, {"precision": "int8"}, {}),
        (
            {"precision": "mixed", "kept": ("mix",)},
            {"keep_most_sensitive": 2},
            {"precision": "mixed", "most_sensitive": 2},
        ),
        (
            {"precision": "mixed", "most_sensitive": 2},
            {"keep": ("mix",), "keep_precision": "int16x8"},
            {"precision": "mixed", "kept": ("mix",), "kept_precision": "int16x8"},
        ),
    ],
)
def test_an_option_overrules_what_is_saved(before, options, after):
    assert overruled(ExportSettings(**before), options) == ExportSettings(**after)
