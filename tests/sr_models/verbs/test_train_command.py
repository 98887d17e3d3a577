import json
import math
import re
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from sr_models import cli
from sr_models.networks import card as cards
from sr_models.networks.evaluation import evaluate_model
from sr_models.networks.network import build_trunk, load_trunk, save_trunk
from sr_models.networks.presets import get_preset
from sr_models.networks.tails import attach_tail
from sr_models.published.pams_file import load_learned
from sr_models.training.pams_pupil import PamsPupil

QUICK = [
    "--batch-size",
    "1",
    "--patch-size",
    "8",
    "--validation-interval",
    "2",
    "--validation-pictures",
    "1",
]


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


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--steps", "0"], "steps"),
        (["--steps", "many"], "--steps"),
        (["--patch-size", "-3"], "patch_size"),
        (["--learning-rate", "7"], "learning_rate"),
        (["--seed", "-1"], "seed"),
        (["--out", "net.h5"], ".weights.h5"),
        (["--patch-size", "500"], "--patch-size"),
        (["--licences", "absent"], "licences"),
        (["--benchmark", "absent"], "no such path"),
        (["--data", "absent"], "no such path"),
        (["--from", "rdn_x2"], "has none"),
        (["--from", "abpn"], "did you mean abpn_"),
        (["--optimizer", "sgd"], "soap, adam"),
        (["--schedule", "linear"], "cosine"),
        (["--loss", "l2"], "charbonnier"),
        (["--patience", "-1"], "patience"),
        (["--distribution", "tpu"], "multi-worker"),
        (["--bits", "8"], "--quantize"),
        (["--quantize", "pams", "--bits", "17"], "2 to 16"),
        (["--quantize", "pams", "--bits", "1"], "2 to 16"),
        (["--quantize", "dfsq"], "expected pams"),
        (["--recipe", "published"], "--quantize with --recipe"),
        (["--quantize", "pams", "--recipe", "paper"], "default, published"),
        (["--quantize", "pams", "--recipe", "published", "--float-edges"], "no --float-edges"),
        (["--quantize", "pams", "--placement", "all"], "integer, figure, code"),
        (["--quantize", "pams", "--from", "xlsr_x2"], "same network as xlsr_x3"),
        (["--quantize", "pams", "--from", "absent.weights.h5"], "found no file absent.weights.h5"),
        (["--quantize", "pams", "--data", "EMPTY"], "found none; give a folder that holds"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_train_with_bad_input(arguments, part, call, picture_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    given = [str(tmp_path / "empty") if part == "EMPTY" else part for part in arguments]
    status, out, err = call(
        "train", "xlsr_x3", "--data", picture_folder, "--run-dir", tmp_path / "run", *QUICK, *given
    )
    assert (status, out) == (2, "")
    assert part in err and err.count("\n") == 1
    # At most what the run would have been: no checkpoint and no weights.
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {"recipe.json"}


def test_an_existing_out_is_kept_unless_told(call, picture_folder, weights, tmp_path):
    out = shutil.copy(weights, tmp_path / "mine.weights.h5")
    status, _, err = call("train", "xlsr_x3", "--data", picture_folder, "--out", out)
    assert status == 2 and "--overwrite" in err
    assert cards.file_sha256(out) == cards.file_sha256(weights)


@pytest.mark.slow
def test_train_to_the_end_and_further(without_graphs, call, picture_folder, tmp_path):
    (tmp_path / "licences").write_text(f"{picture_folder.name}: public domain\n")
    arguments = [
        "train",
        "espcn_x3",
        "--data",
        picture_folder,
        "--run-dir",
        tmp_path / "run",
        *QUICK,
        "--licences",
        tmp_path / "licences",
        "--benchmark",
        picture_folder,
    ]
    status, out, err = call(*arguments, "--steps", 4)
    assert status == 0
    made = tmp_path / "run" / "espcn_x3.weights.h5"
    assert str(made) in out and out.count("\n") == 1
    assert re.findall(r"step \d of 4: validation PSNR [\d.]+ dB", err)
    card = cards.load_card(tmp_path / "run" / "espcn_x3.json")
    assert card.weights_sha256 == cards.file_sha256(made)
    assert (card.steps, card.recipe["batch_size"], card.parameters) == (4, 1, 31_131)
    assert card.data == (cards.DataFolder(picture_folder.name, 4, "public domain"),)
    assert card.validation_pictures == 1 and card.training_loss is not None
    assert [row["model"] for row in card.evaluation] == ["bicubic", "espcn_x3"]
    # The same run goes on where it ended, into another file this time.
    mine = tmp_path / "mine.weights.h5"
    status, out, _ = call(*arguments, "--steps", 6, "--out", mine, "--json", "-")
    assert status == 0
    assert json.loads(out)["card"]["steps"] == 6 and json.loads(out)["weights"] == str(mine)
    assert cards.load_card(tmp_path / "mine.json").to_json() == json.loads(out)["card"]
    # Another recipe is refused, and what there is stays.
    status, _, err = call(*arguments, "--seed", 9)
    assert status == 2 and "another seed" in err and err.count("\n") == 1
    assert cards.load_card(tmp_path / "run" / "espcn_x3.json") == card


@pytest.mark.slow
def test_a_signal_checkpoints_and_says_how_to_go_on(
    without_graphs, call, picture_folder, tmp_path, monkeypatch
):
    from sr_models.verbs import train as verb

    def say(line):
        really(line)
        if line.startswith("step 4 "):
            signal.raise_signal(signal.SIGTERM)

    really = verb.say
    monkeypatch.setattr(verb, "say", say)
    arguments = ["train", "espcn_x3", "--data", picture_folder, "--run-dir", tmp_path, *QUICK]
    status, out, err = call(*arguments, "--steps", 1_000_000)
    assert (status, out) == (130, ""), err
    said = err.splitlines()
    match = re.match(r"stopped by SIGTERM at step (\d+) of 1000000, .*again", said[-1])
    assert match and not any("Traceback" in line for line in said)
    stopped_at = int(match[1])
    newest = tmp_path / "checkpoints" / f"ckpt-{stopped_at}.index"
    assert newest.exists() and not list(tmp_path.glob("espcn_x3.*"))
    status, out, _ = call(*arguments, "--steps", stopped_at + 1)
    assert status == 0 and f"of {stopped_at + 1}," in out


def test_a_signal_while_pictures_load_ends_in_one_line(call, picture_folder, tmp_path, monkeypatch):
    from sr_models.training import run

    def load(*_, **__):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(run, "load_training_pairs", load)
    before = signal.getsignal(signal.SIGTERM)
    status, out, err = call("train", "xlsr_x3", "--data", picture_folder, "--run-dir", tmp_path)
    assert (status, out, err) == (
        130,
        "",
        "interrupted, nothing is lost; run the same command again to resume\n",
    )
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
def test_train_from_a_preset(without_graphs, call, picture_folder, tmp_path):
    arguments = [
        "train",
        "abpn_x3",
        "--data",
        picture_folder,
        "--run-dir",
        tmp_path,
        "--from",
        "abpn_x2",
        "--learning-rate",
        "1e-9",
        "--steps",
        2,
        *QUICK,
    ]
    status, _, err = call(*arguments)
    assert status == 0, err
    card = cards.load_card(tmp_path / "abpn_x3.json")
    assert card.recipe["initial_weights"] == "abpn_x2"
    # Of the same run without its start, nothing is known: that is another recipe.
    status, _, err = call(*[part for part in arguments if part not in ("--from", "abpn_x2")])
    assert status == 2 and "another initial_weights" in err


@pytest.mark.slow
def test_train_a_quantized_network(without_graphs, call, picture_folder, tmp_path):
    arguments = [
        "train",
        "abpn_x3",
        "--data",
        picture_folder,
        "--run-dir",
        tmp_path,
        *QUICK,
        "--steps",
        2,
        "--quantize",
        "pams",
        "--bits",
        6,
        "--benchmark",
        picture_folder,
    ]
    status, out, err = call(*arguments)
    assert status == 0, err
    assert "simulated at pams6" in out and out.count("\n") == 1
    card = cards.load_card(tmp_path / "abpn_x3.json")
    assert card.recipe["quantization"]["settings"]["bits"] == 6
    assert card.recipe["initial_weights"] == "abpn_x3", "its teacher"
    learned = load_learned(tmp_path / "abpn_x3.weights.h5")
    assert learned.teacher == "abpn_x3" and learned.settings.bits == 6
    # What the card says is the simulation's quality, not that of the float weights beside it.
    trunk = load_trunk(get_preset("abpn_x3"), weights=tmp_path / "abpn_x3.weights.h5")
    model = learned.student_of(attach_tail(trunk, "none", scale=3)).model
    rows = evaluate_model(model, picture_folder, name="abpn_x3", scale=3)
    assert card.evaluation[1]["psnr_y_db"] == pytest.approx(rows[1].psnr_y_db, abs=1e-3)


@pytest.mark.slow
def test_quantized_training_that_comes_to_no_number_keeps_what_was_good(
    without_graphs, call, picture_folder, tmp_path, monkeypatch
):
    arguments = [
        "train",
        "espcn_x3",
        "--data",
        picture_folder,
        "--run-dir",
        tmp_path,
        *QUICK,
        "--steps",
        4,
        "--quantize",
        "pams",
        "--bits",
        4,
    ]
    loss = PamsPupil.loss

    def poisoned(pupil, low, high, **keywords):
        # The fourth batch: what its gradients leave behind are weights and alphas of NaN.
        steps.assign_add(1)
        return loss(pupil, low, tf.where(steps > 3, math.nan, high), **keywords)

    steps = tf.Variable(0)
    monkeypatch.setattr(PamsPupil, "loss", poisoned)
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert re.search(
        r"^error: expected a finite loss, found nan at step 3; the last good", err, re.M
    )
    assert err.count("error: ") == 1 and "step 2 of 4" in err
    assert [path.stem for path in (tmp_path / "checkpoints").glob("*.index")] == ["ckpt-2"]
    assert not list(tmp_path.glob("espcn_x3.*")), "no weights under the name of finished ones"
    best = load_trunk(get_preset("espcn_x3"), weights=tmp_path / "best.weights.h5")
    assert all(np.isfinite(array).all() for array in best.get_weights())
    assert all(
        grid.maximum > 0.0 for grid in load_learned(tmp_path / "best.weights.h5").tensors.values()
    )
    # The same command goes on from the good checkpoint.
    monkeypatch.setattr(PamsPupil, "loss", loss)
    status, out, err = call(*arguments)
    assert status == 0 and "step 4 of 4" in err and "step 2 of 4" not in err
    assert load_learned(tmp_path / "espcn_x3.weights.h5").settings.bits == 4


def test_a_senseless_cluster_is_one_line(call, picture_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {}}')
    status, out, err = call("train", "xlsr_x3", "--data", picture_folder, "--run-dir", tmp_path)
    assert (status, out, err.count("\n")) == (2, "", 1) and "TF_CONFIG" in err
