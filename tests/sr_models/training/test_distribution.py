import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import sr_models
from sr_models.ground.errors import OptionError
from sr_models.networks import card as cards
from sr_models.networks.network import load_trunk, named_weights
from sr_models.networks.presets import get_preset
from sr_models.training.distribution import Distribution, read_cluster
from sr_models.training.recipe import recipe_for
from sr_models.training.run import train

PRESET = get_preset("espcn_x3")
CHANGES = {
    "steps": 24,
    "batch_size": 4,
    "patch_size": 12,
    "learning_rate": 3e-3,
    "warmup_steps": 5,
    "validation_interval": 6,
    "validation_pictures": 1,
    "optimizer": "adam",
}

WORKER = """
import json, os, signal, sys
from sr_models.ground.native_output import only_what_is_needed
with only_what_is_needed():
    import tensorflow as tf, tf_keras

name, changes, data, kind, devices = sys.argv[1:6]
if devices != "one":
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * int(devices),
    )
from sr_models.training.distribution import Distribution
from sr_models.ground.errors import SrError
from sr_models.networks.presets import get_preset
from sr_models.training.recipe import recipe_for
from sr_models.training.run import train

preset = get_preset(name)
recipe = recipe_for(preset, **json.loads(changes))
distribution = Distribution(kind)

# One run after another: a folder and what happens there.
for run in sys.argv[6:]:
    run_dir, fate = run.split("|")

    def on_step(step, loss):
        if fate == f"killed at {step}":
            os.kill(os.getpid(), signal.SIGKILL)
        if fate == f"asked at {step}":
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        result = train(
            preset, recipe, data=data, run_dir=run_dir, distribution=distribution, on_step=on_step
        )
    except SrError as error:
        print(error)
        sys.stdout.flush()
        os._exit(2)
    made = {**distribution.to_json(), **result.to_json(), "chief": distribution.is_chief}
    print(json.dumps(made), flush=True)
# The end of one worker must not be read as a fault by the other's runtime.
os._exit(0)
"""

COMMAND = "import sys; from sr_models.cli import main; main(sys.argv[1:])"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start(code, *arguments, config=None):
    root = str(Path(sr_models.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    if config:
        environment["TF_CONFIG"] = config
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_workers(code, *arguments):
    """Two workers; each gets what stands in its place where an argument is a pair."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    return [
        start(
            code,
            *(each[index] if isinstance(each, tuple) else each for each in arguments),
            config=config(cluster, index=index),
        )
        for index in range(2)
    ]


def ended(processes, timeout=240):
    """Outputs and statuses; whoever is left is killed, so that a hang fails and leaves nothing."""
    deadline, outcomes = time.monotonic() + timeout, []
    try:
        for process in processes:
            out, err = process.communicate(timeout=max(1.0, deadline - time.monotonic()))
            outcomes.append((process.returncode, out, err))
    finally:
        for process in processes:
            process.kill()
    return outcomes


@pytest.fixture(scope="module")
def alone(picture_folder, tmp_path_factory):
    """The run on one device that all others must equal."""
    recipe, run_dir = recipe_for(PRESET, **CHANGES), tmp_path_factory.mktemp("alone")
    return train(PRESET, recipe, data=picture_folder, run_dir=run_dir)


@pytest.fixture(scope="module")
def pair(picture_folder, tmp_path_factory):
    """Two workers and two runs: the second worker is asked to stop one and killed in the other.

    The folders of both runs, and how the workers ended.
    """
    asked, killed = (tmp_path_factory.mktemp(name) for name in ("asked", "killed"))
    runs = (f"{asked}|none", f"{asked}|asked at 8"), (f"{killed}|none", f"{killed}|killed at 15")
    given = PRESET.name, json.dumps(CHANGES), picture_folder, "multi-worker", "one"
    return asked, killed, ended(start_workers(WORKER, *given, *runs))


def require_same_weights(found, expected):
    """The same but for the order in which floats are added."""
    found, expected = (
        named_weights(load_trunk(PRESET, weights=weights)) for weights in (found, expected)
    )
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=2e-4, err_msg=name)


@pytest.mark.slow
def test_two_devices_of_one_machine_yield_what_one_yields(alone, picture_folder, tmp_path):
    given = PRESET.name, json.dumps(CHANGES), picture_folder, "mirrored", "2", f"{tmp_path}|none"
    ((status, out, err),) = ended([start(WORKER, *given)])
    assert status == 0, err[-2000:]
    result = json.loads(out.splitlines()[-1])
    assert (result["kind"], result["workers"], result["replicas"]) == ("mirrored", 1, 2)
    assert result["best_step"] == alone.best_step
    require_same_weights(tmp_path / "best.weights.h5", alone.weights)


@pytest.mark.slow
def test_a_signal_to_one_worker_stops_both_at_one_step(pair):
    run_dir, _, outcomes = pair
    results = [json.loads(out.splitlines()[0]) for _, out, _ in outcomes]
    assert [result["chief"] for result in results] == [True, False]
    assert all((result["workers"], result["replicas"]) == (2, 2) for result in results)
    assert results[0]["steps"] == results[1]["steps"] in (9, 10)
    assert results[0]["stopped_by"] == "another worker's signal"
    assert results[1]["stopped_by"] == "SIGTERM"
    assert (run_dir / "checkpoints" / f"ckpt-{results[0]['steps']}.index").is_file()


@pytest.mark.slow
def test_a_worker_that_is_killed_ends_the_other_in_one_line(pair):
    _, run_dir, (first, second) = pair
    assert second[0] == -signal.SIGKILL
    assert first[0] == 2, first[2][-2000:]
    said = first[1].splitlines()
    assert len(said) == 2, "the result of the run before, and one line"
    assert said[1].startswith("expected all 2 workers to go on, found one gone (")
    assert "start every worker again" in said[1]
    assert (run_dir / "checkpoints" / "ckpt-12.index").is_file()


@pytest.mark.slow
def test_the_command_goes_on_with_two_workers_and_yields_what_one_yields(
    alone, pair, picture_folder
):
    run_dir = pair[1]
    options = [
        part for name, value in CHANGES.items() for part in (f"--{name.replace('_', '-')}", value)
    ]
    given = ["train", PRESET.name, "--data", picture_folder, "--run-dir", run_dir]
    # What the chief does when the other is done must not need it any more.
    given += ["--benchmark", picture_folder]
    ends = ended(start_workers(COMMAND, *given, *options))
    assert [status for status, _, _ in ends] == [0, 0], ends[0][2][-2000:]
    (_, chief_out, chief_err), (_, other_out, other_err) = ends
    assert chief_out.count("\n") == 1 and "espcn_x3.weights.h5" in chief_out
    assert "step 18 of 24" in chief_err and "step 12 of 24" not in chief_err
    assert other_out == "" and other_err.splitlines()[-1].startswith("worker 1 is done")
    card = cards.load_card(run_dir / "espcn_x3.json")
    assert (card.steps, card.best_step) == (24, alone.best_step)
    require_same_weights(run_dir / "espcn_x3.weights.h5", alone.weights)
    log = [json.loads(line)["step"] for line in (run_dir / "log.jsonl").read_text().splitlines()]
    assert log == [6, 12, 18, 24], "by one of the workers only"


def config(cluster, role="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": role, "index": index}})


def test_the_chief_of_a_cluster_comes_first():
    workers = {"worker": ["a:1", "b:1"]}
    assert read_cluster(config(workers, index=1)).index == 1
    both = {"worker": ["a:1", "b:1"], "chief": ["c:1"]}
    assert read_cluster(config(both, role="chief")).index == 0
    third = read_cluster(config(both, index=1))
    assert (third.workers, third.index) == (("c:1", "a:1", "b:1"), 2)


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        '{"cluster": {}}',
        '{"cluster": 3, "task": 4}',
        config({"worker": ["a:1"]}, index=1),
        config({"worker": ["a:1"]}, index=-1),
        config({"worker": ["a:1"]}, role="ps"),
        config({"worker": 7}),
    ],
)
def test_a_senseless_cluster_is_said_in_one_line(text):
    with pytest.raises(OptionError, match=r"expected .*TF_CONFIG.*found.*; give") as error:
        read_cluster(text)
    assert "\n" not in str(error.value)


def test_one_device_needs_no_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    distribution = Distribution()
    assert distribution.to_json() == {"kind": "none", "workers": 1, "replicas": 1}
    assert distribution.is_chief
    assert distribution.agreed(3.5) == distribution.mean(3.5) == 3.5
    with pytest.raises(OptionError, match="TF_CONFIG, found none; set it"):
        Distribution("multi-worker")
    with pytest.raises(OptionError, match="found 'tpu'"):
        Distribution("tpu")


def test_a_batch_must_be_shared_evenly():
    distribution = Distribution("none")
    distribution.replicas = 3
    assert distribution.local_batch_size(12) == 4
    with pytest.raises(OptionError, match=r"3 replicas .* found 16; give .* --batch-size 15"):
        distribution.local_batch_size(16)
