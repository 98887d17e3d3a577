import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from sr_models.ground.errors import OptionError
from sr_models.networks.network import load_trunk, named_weights
from sr_models.training.distribution import Distribution, read_cluster
from sr_models.training.recipe import TrainingRecipe
from sr_models.training.run import train

RECIPE = TrainingRecipe(
    steps=24,
    batch_size=4,
    patch_size=12,
    learning_rate=3e-3,
    warmup_steps=5,
    candidates=1,
    validation_interval=6,
    validation_pictures=1,
    optimizer="adam",
)

WORKER = """
import json, os, signal, sys
import tensorflow as tf

if sys.argv[7] != "one":
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[7]),
    )
from sr_models.training.distribution import Distribution
from sr_models.ground.errors import SrError
from sr_models.networks.presets import Preset
from sr_models.training.recipe import TrainingRecipe
from sr_models.training.run import train

preset, recipe = map(json.loads, sys.argv[1:3])
data, run_dir, kind, fate = sys.argv[3:7]
recipe["intensities"] = tuple(recipe["intensities"])
distribution = Distribution(kind)

def on_step(step, loss):
    if fate == f"killed at {step}":
        os.kill(os.getpid(), signal.SIGKILL)
    if fate == f"asked at {step}":
        os.kill(os.getpid(), signal.SIGTERM)

try:
    result = train(
        Preset(**preset), TrainingRecipe(**recipe), data=data, run_dir=run_dir,
        distribution=distribution, on_step=on_step,
    )
except SrError as error:
    print(error)
    sys.stdout.flush()
    os._exit(2)
print(json.dumps({**distribution.to_json(), **result.to_json(), "chief": distribution.is_chief}))
sys.stdout.flush()
# The end of one worker must not be read as a fault by the other's runtime.
os._exit(0)
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start(preset, *, data, run_dir, kind, fate="none", devices="one", cluster=None, index=0):
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    if cluster:
        task = {"cluster": {"worker": cluster}, "task": {"type": "worker", "index": index}}
        environment["TF_CONFIG"] = json.dumps(task)
    described = (json.dumps(dataclasses.asdict(part)) for part in (preset, RECIPE))
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, *described, str(data), str(run_dir), kind, fate, devices],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_workers(preset, *, fates, **options):
    cluster = [f"127.0.0.1:{port}" for port in free_ports(2)]
    return [
        start(preset, kind="multi-worker", fate=fate, cluster=cluster, index=index, **options)
        for index, fate in enumerate(fates)
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
def alone(smallest_preset, picture_folder, tmp_path_factory):
    """The run on one device that all others must equal."""
    return train(
        smallest_preset, RECIPE, data=picture_folder, run_dir=tmp_path_factory.mktemp("alone")
    )


def require_same_weights(preset, found, expected):
    """The same but for the order in which floats are added."""
    found, expected = (
        named_weights(load_trunk(preset, weights=weights)) for weights in (found, expected)
    )
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=2e-4, err_msg=name)


@pytest.mark.slow
def test_two_devices_of_one_machine_yield_what_one_yields(
    alone, smallest_preset, picture_folder, tmp_path
):
    process = start(
        smallest_preset, data=picture_folder, run_dir=tmp_path, kind="mirrored", devices="2"
    )
    ((status, out, err),) = ended([process])
    assert status == 0, err[-2000:]
    result = json.loads(out.splitlines()[-1])
    assert (result["kind"], result["workers"], result["replicas"]) == ("mirrored", 1, 2)
    assert result["best_step"] == alone.best_step
    require_same_weights(smallest_preset, tmp_path / "best.weights.h5", alone.weights)


@pytest.mark.slow
def test_two_workers_yield_what_one_yields_though_one_is_killed_between(
    alone, smallest_preset, picture_folder, tmp_path
):
    options = {"data": picture_folder, "run_dir": tmp_path}
    first, second = ended(start_workers(smallest_preset, fates=("none", "killed at 15"), **options))
    assert second[0] == -signal.SIGKILL
    assert first[0] == 2, first[2][-2000:]
    assert first[1].count("\n") == 1, first[1]
    assert first[1].startswith("expected all 2 workers to go on, found one gone (")
    assert "start every worker again" in first[1]
    assert [path.stem for path in (tmp_path / "checkpoints").glob("*.index")] == [
        "ckpt-6",
        "ckpt-12",
    ] or (tmp_path / "checkpoints" / "ckpt-12.index").is_file()

    again = ended(start_workers(smallest_preset, fates=("none", "none"), **options))
    assert [outcome[0] for outcome in again] == [0, 0], again[0][2][-2000:]
    results = [json.loads(out.splitlines()[-1]) for _, out, _ in again]
    assert [result["chief"] for result in results] == [True, False]
    assert all((r["workers"], r["replicas"], r["steps"]) == (2, 2, 24) for r in results)
    assert {result["best_step"] for result in results} == {alone.best_step}
    require_same_weights(smallest_preset, tmp_path / "best.weights.h5", alone.weights)
    log = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log == [6, 12, 18, 24], "by one of the workers only"


@pytest.mark.slow
def test_a_signal_to_one_worker_stops_both_at_one_step(smallest_preset, picture_folder, tmp_path):
    outcomes = ended(
        start_workers(
            smallest_preset, fates=("none", "asked at 8"), data=picture_folder, run_dir=tmp_path
        )
    )
    assert [outcome[0] for outcome in outcomes] == [0, 0], outcomes[0][2][-2000:]
    results = [json.loads(out.splitlines()[-1]) for _, out, _ in outcomes]
    assert results[0]["steps"] == results[1]["steps"] in (9, 10)
    assert results[0]["stopped_by"] == "another worker's signal"
    assert results[1]["stopped_by"] == "SIGTERM"
    assert (tmp_path / "checkpoints" / f"ckpt-{results[0]['steps']}.index").is_file()


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
