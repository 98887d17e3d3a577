import json

import pytest

from sr_models import cli
from sr_models.networks import card as cards
from sr_models.networks import presets
from sr_models.networks.network import build_trunk, save_trunk
from sr_models.networks.presets import get_preset


@pytest.fixture
def call(capsys):
    """Run the command in this process: exit status, stdout, stderr."""

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            cli.main([str(argument) for argument in arguments])
        return stop.value.code, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "xlsr_x3.weights.h5"
    save_trunk(build_trunk(get_preset("xlsr_x3")), path)
    return path


@pytest.fixture
def shipped(weights, tmp_path, monkeypatch):
    """A weights folder that holds `xlsr_x3` and its card."""
    monkeypatch.setattr(presets, "WEIGHTS_FOLDER", tmp_path / "weights")
    preset = get_preset("xlsr_x3")
    return cards.write_card(
        preset,
        weights,
        out=preset.weights_path,
        parameters=21_947,
        recipe={"seed": 0},
        steps=10,
        best_step=8,
        training_loss=0.1,
        validation_psnr_db=30.0,
        validation_pictures=1,
        data=[cards.DataFolder("Kodak24", 24)],
        evaluation=[{"model": "xlsr_x3", "dataset": "Set5", "psnr_y_db": 33.012, "ssim_y": 0.9161}],
    )


HELP = """
import sys
from sr_models.cli import main
for words in sys.argv[1:]:
    print("called:", words, flush=True)
    try:
        main(words.split())
    except SystemExit as end:
        assert not end.code, end.code
    heavy = {"tensorflow", "tf_keras", "skimage", "scipy", "h5py"} & sys.modules.keys()
    later = {"representative_data", "export", "runtime_bench"} & sys.modules.keys()
    for name in (*heavy, *later):
        print(f"{words} loads {name}", file=sys.stderr)
"""


def test_help_and_lists_load_nothing_heavy(run_python):
    calls = ["--help", "train --help", "evaluate --help", "list", "show xlsr_x3"]
    result = run_python(HELP, *calls)
    assert (result.returncode, result.stderr.strip()) == (0, "")
    said = result.stdout.split("called: ")[1:]
    assert len(said) == len(calls) and all(text.count("\n") > 2 for text in said)


@pytest.mark.parametrize("verb", ["list", "show", "train", "evaluate"])
def test_help_has_examples(verb, call):
    status, out, err = call(verb, "--help")
    assert (status, err) == (0, "")
    assert f"sr-models {verb}" in out and "Example" in out and "--json" in out


def test_list_without_weights(call, tmp_path, monkeypatch):
    monkeypatch.setattr(presets, "WEIGHTS_FOLDER", tmp_path)
    status, out, err = call("list")
    assert (status, err) == (0, "")
    assert "xlsr_x3" in out and "21947" in out and "4.98" in out
    (row,) = json.loads(call("list", "xlsr_x3", "--json", "-")[1])["presets"]
    assert row["has_weights"] is False and row["psnr_y_db"] == {}
    assert (row["family"], row["scale"], row["parameters"]) == ("xlsr", 3, 21_947)
    assert row["multiply_adds"] == 4_980_326_400


def test_list_takes_figures_from_the_card(call, shipped):
    assert "Set5 33.01" in call("list", "xlsr*")[1]
    (row,) = json.loads(call("list", "--json", "-", "xlsr_x3")[1])["presets"]
    assert row["has_weights"] is True and row["psnr_y_db"] == {"Set5": 33.012}


def test_a_pattern_without_match(call):
    status, out, err = call("list", "abc*")
    assert (status, out) == (2, "")
    assert "'abc*'" in err and "xlsr_x3" in err and err.count("\n") == 1


def test_show(call, shipped, tmp_path):
    status, out, _ = call("show", "xlsr_x3")
    assert status == 0
    for part in (
        "21,947",
        "4.98 G",
        "arXiv 2105.10288",
        "Set5 33.01",
        "Set5 0.9161",
        "Kodak24",
        "not stated",
        shipped.weights_sha256[:40],
    ):
        assert part in out
    call("show", "xlsr_x3", "--json", tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text())["card"] == shipped.to_json()


def test_a_damaged_card_is_one_line(call, shipped):
    get_preset("xlsr_x3").card_path.write_text("{")
    status, out, err = call("show", "xlsr_x3")
    assert (status, out) == (2, "")
    assert "xlsr_x3.json" in err and err.count("\n") == 1


@pytest.mark.parametrize("verb", ["show", "train", "evaluate"])
def test_a_wrong_name_suggests_the_nearest(verb, call, picture_folder):
    data = [] if verb == "show" else ["--data", picture_folder]
    status, out, err = call(verb, "xslr_x3", *data)
    assert (status, out) == (2, "")
    assert "did you mean xlsr_x3" in err and err.count("\n") == 1


def test_evaluate(call, weights, picture_folder, tmp_path):
    arguments = ["evaluate", "xlsr_x3", "--data", picture_folder, "--weights", weights]
    status, out, err = call(*arguments)
    assert (status, err) == (0, "")
    assert "bicubic" in out and "Protocol: antialiased bicubic" in out
    status, out, _ = call(*arguments, "--tail", "conv_clip", "--json", "-")
    found = json.loads(out)
    assert [row["model"] for row in found["results"]] == ["bicubic", "xlsr_x3"]
    assert len(found["per_image"]) == 8 and found["tail"] == "conv_clip"
    assert found["weights_sha256"] == cards.file_sha256(weights)
    assert found["results"][1]["out_of_range_fraction"] == 0.0, "the tail clips"


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"--data": "absent"}, "no such path"),
        ({"--weights": "absent.weights.h5"}, "found no file"),
        ({"--tail": "relu6"}, "found 'relu6'"),
        ({"--json": "/proc/nothing/x.json"}, "expected to write"),
    ],
    ids=str,
)
def test_evaluate_with_bad_input(change, part, call, weights, picture_folder):
    options = {"--data": picture_folder, "--weights": weights, **change}
    status, _, err = call("evaluate", "xlsr_x3", *(x for pair in options.items() for x in pair))
    assert status == 2
    assert part in err and err.count("\n") == 1
