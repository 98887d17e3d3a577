import pytest

from export.exporting.saved_settings import load_settings, settings_from_json
from export.exporting.settings import DEFAULTS, ExportSettings
from export.quantizing.defaults import DEFAULT_RECIPE
from sr_models.ground.console import json_text
from sr_models.ground.errors import OptionError
from sr_models.ground.sizes import DYNAMIC, Size

CHOICES = [
    {"sizes": (Size(90, 160),), "method": "natural+mse", "max_drop_db": 0.25, "anchors": False},
    {"sizes": (Size(3, 4), DYNAMIC), "method": "auto", "target": "set", "taming": "blur"},
    {"precision": "mixed", "kept": ("mix", "last"), "kept_precision": "int16x8", "method": "cfqp"},
    {"precision": "float32", "minimum_fidelity_db": 12.5, "seed": 3, "method": "natural"},
    {"method": "cfqp", "pure": True, "io": "int8", "calibrator": "converter"},
    {"method": "cfqp", "made_for": "mediatek", "shuffle": "auto"},
]


def read(tmp_path, value, **given):
    path = tmp_path / "manifest.json"
    path.write_text(value if isinstance(value, str) else json_text(value))
    return load_settings(path, **given)


@pytest.mark.parametrize("choices", CHOICES, ids=str)
def test_what_was_written_is_read_back(choices, tmp_path):
    settings = ExportSettings(**choices)
    assert read(tmp_path, settings.to_json()) == settings
    assert read(tmp_path, {"settings": settings.to_json(), "audit": {}}) == settings


def test_the_recipe_comes_back_as_one_that_is_named():
    assert settings_from_json(DEFAULTS.to_json()) == ExportSettings(method=DEFAULT_RECIPE)
    assert settings_from_json({}) == DEFAULTS


def test_settings_by_hand_may_name_sizes_and_whole_numbers(tmp_path):
    found = read(tmp_path, {"sizes": ["9x8", "dynamic"], "minimum_fidelity_db": 20})
    assert found == ExportSettings(sizes=(Size(9, 8), DYNAMIC), minimum_fidelity_db=20.0)


def test_a_bundle_says_its_sizes_with_its_files(made_bundle):
    found = load_settings(made_bundle / "manifest.json")
    assert found.files.sizes == (Size(16, 24), Size(12, 20))


def test_of_a_saved_set_the_settings_are_no_use_without_it(tmp_path):
    data = ExportSettings(method="natural").to_json(saved_set=True)
    with pytest.raises(OptionError, match="give it by --dataset"):
        read(tmp_path, data)
    assert read(tmp_path, data, dataset="rd.npz").quantizing.recipe == "natural"


@pytest.mark.parametrize(
    "value",
    ["", "{", "[1]", "3", '"text"', "null", '{"settings": []}', '{"models": 3}', "[" * 100_000],
)
def test_no_settings_are_named_so(value, tmp_path):
    with pytest.raises(OptionError, match=r"found other content in .*manifest\.json \(\w+\)"):
        read(tmp_path, value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(OptionError, match="No such file"):
        load_settings(tmp_path / "none.json")
    (tmp_path / "model.tflite").write_bytes(b"\xff\x00TFL3")
    with pytest.raises(OptionError, match="UnicodeDecodeError"):
        load_settings(tmp_path / "model.tflite")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"taill": 3}, "did you mean tail"),
        ({"pictures": "many"}, 'a whole number for pictures, found "many"'),
        ({"pictures": True}, "a whole number for pictures, found true"),
        ({"seed": 1.5}, "a whole number for seed, found 1.5"),
        ({"pure": 1}, "true or false for pure, found 1"),
        ({"tail": ["relu"]}, "a text for tail"),
        ({"method": 3}, "a text for method"),
        ({"max_drop_db": "much"}, "a number for max_drop_db"),
        ({"max_drop_db": 10**400}, "a number for max_drop_db, found 1000"),
        ({"kept": "mix"}, "a list for kept"),
        ({"kept": [1]}, "a list for kept"),
        ({"sizes": "9x8"}, "a list for sizes"),
        ({"sizes": [[9, 8]]}, "sizes of a height and a width"),
        ({"sizes": [{"height": "9", "width": 8}]}, "sizes of a height and a width"),
        ({"sizes": [{"height": 9}]}, "give both or neither"),
        ({"sizes": ["9"]}, "expected a size such as"),
        ({"sizes": [{"height": 0, "width": 8}]}, "1..8192"),
        ({"tail": "tanh"}, "tanh"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_cannot_be_is_one_line(data, said, tmp_path):
    with pytest.raises(OptionError) as caught:
        read(tmp_path, {"settings": data})
    assert said in str(caught.value) and "\n" not in str(caught.value)
