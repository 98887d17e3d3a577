"""The real `adb` program against a phone on 127.0.0.1."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from runtime_bench.android.adb import Adb, PhoneError, Stopped
from tests.runtime_bench.android.loopback import LoopbackPhone

needs_adb = pytest.mark.skipif(
    shutil.which("adb") is None,
    reason="the adb program is not installed (Debian: apt install adb); .ci/run installs it",
)
GETPROP = """#!/bin/sh
echo '[ro.product.cpu.abilist]: [arm64-v8a]'
echo '[ro.product.model]: [Loop]'
echo '[ro.build.version.sdk]: [35]'
"""
DUMPSYS = "#!/bin/sh\necho 'Thermal Status: 1'\n"


def start_server(home):
    """A process and its port; `None` where the free port was taken by another before it came."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    environment = {**os.environ, "HOME": home, "ANDROID_ADB_SERVER_PORT": port, "ADB_MDNS": "0"}
    process = subprocess.Popen(
        ["adb", "-P", port, "nodaemon", "server"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(600):
        if process.poll() is not None:
            return None
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", int(port))) == 0:
                return process, port
        time.sleep(0.1)
    process.kill()
    return None


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Options for adb with a server of its own, which has no other phones."""
    home = str(tmp_path_factory.mktemp("home"))
    process, port = next(filter(None, (start_server(home) for _ in range(5))))
    yield "-P", port
    process.terminate()
    process.wait()


@pytest.fixture
def phones(server, tmp_path):
    """Connect phones: `phones(trusts=False)`."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {"getprop": GETPROP, "dumpsys": DUMPSYS}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    connected = []

    def connect(**options):
        folder = tmp_path / f"phone{len(connected)}"
        folder.mkdir()
        phone = LoopbackPhone(folder, programs=programs, **options)
        connected.append(phone)
        subprocess.run(["adb", *server, "connect", phone.address], capture_output=True, timeout=60)
        state = "device" if phone.trusts else "unauthorized"
        for _ in range(600):
            states = {found.serial: found.state for found in Adb(options=server).devices()}
            if states.get(phone.address) == state:
                break
            time.sleep(0.1)
        return phone

    yield connect
    for phone in connected:
        subprocess.run(["adb", *server, "disconnect", phone.address], capture_output=True)
        phone.close()


@pytest.fixture
def bound(server):
    return lambda phone: Adb(options=server).on(phone.address)


@needs_adb
def test_phones_are_listed(phones, server):
    assert Adb(options=server).devices() == ()
    first, second = phones(), phones(trusts=False)
    states = {found.serial: found.state for found in Adb(options=server).devices()}
    assert states == {first.address: "device", second.address: "unauthorized"}


@needs_adb
def test_a_command_runs_and_tells_its_status(phones, bound):
    adb = bound(phones())
    result = adb.shell("echo one; echo two >&2; exit 3")
    assert (result.status, result.text) == (3, "one\ntwo\n")
    assert adb.shell("printf '%s' 'a b'").text == "a b"


@needs_adb
def test_files_go_and_come(phones, bound, tmp_path):
    phone = phones()
    adb = bound(phone)
    data = bytes(range(256)) * 700
    (tmp_path / "data").write_bytes(data)
    adb.push(tmp_path / "data", "/data/local/tmp/data")
    assert (phone.folder / "data").read_bytes() == data
    adb.pull("/data/local/tmp/data", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    with pytest.raises(PhoneError, match=r"expected phone .* to copy"):
        adb.pull("/data/local/tmp/none", tmp_path / "none")


@needs_adb
def test_a_full_phone_is_told(phones, bound, tmp_path):
    (tmp_path / "data").write_bytes(b"data")
    with pytest.raises(PhoneError, match=r"free space.*remove files"):
        bound(phones(full=True)).push(tmp_path / "data", "/data/local/tmp/data")


@needs_adb
def test_a_phone_that_does_not_trust_is_told(phones, bound):
    with pytest.raises(PhoneError, match=r"trusts this computer.*accept the prompt"):
        bound(phones(trusts=False)).shell("true")


@needs_adb
def test_a_phone_that_was_never_there_is_told(server):
    with pytest.raises(PhoneError, match=r"connected.*adb devices -l"):
        Adb(options=server).on("none").shell("true")


@needs_adb
def test_several_phones_are_told(phones, server):
    phones(), phones()
    with pytest.raises(PhoneError, match="give --serial"):
        Adb(options=server).shell("true")


@needs_adb
def test_a_phone_that_goes_in_the_middle_is_told(phones, bound):
    adb = bound(phones(hang_up_on="unplug"))
    assert adb.shell("echo here").text == "here\n"
    with pytest.raises(PhoneError, match=r"expected .*phone .* found"):
        adb.shell("unplug")


@needs_adb
def test_a_command_without_end_is_ended(phones, bound):
    with pytest.raises(PhoneError, match="within 1 s, found it still busy"):
        bound(phones()).shell("sleep 600", seconds=1)


@needs_adb
def test_a_stop_ends_a_command_and_lets_the_cleaning_up_run(phones, bound):
    adb = bound(phones())
    threading.Timer(0.5, adb.stop.set).start()
    with pytest.raises(Stopped):
        adb.shell("sleep 600")
    assert adb.shell("echo clean", always=True).text == "clean\n"


def test_a_missing_program_is_told():
    with pytest.raises(PhoneError, match=r"expected the program no-adb.*apt install adb"):
        Adb("no-adb").devices()


@pytest.fixture
def bench(server, start_python, files, stand_ins, tmp_path):
    """Start `sr-bench android` on the real adb: a running process."""
    adb = tmp_path / "adb"
    adb.write_text(f'#!/bin/sh\nexec adb {" ".join(server)} "$@"\n')
    adb.chmod(0o755)
    code = "import sys; from runtime_bench.cli import main; sys.argv[0] = 'sr-bench'; main()"

    def start(*arguments, file="clip_free", kind="classic"):
        return start_python(
            code,
            "android",
            getattr(files, file),
            "--benchmark-tool",
            stand_ins(kind),
            "--adb",
            adb,
            "--runs",
            3,
            *arguments,
        )

    return start


@needs_adb
def test_a_file_is_measured_from_end_to_end(phones, bench, tmp_path):
    phone = phones()
    process = bench("--threads", "1,2", "--profile", "--json", tmp_path / "r.json")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    rows = json.loads((tmp_path / "r.json").read_text())["results"]
    assert [(row["threads"], row["runs"], row["placement"]) for row in rows] == [
        (1, 3, "completely"),
        (2, 3, "completely"),
    ]
    assert all(row["median_ms"] > 0 and row["first_ms"] > 0 for row in rows)
    # The graph as it ran says more than a profile.
    assert rows[0]["left_behind"] == []
    assert {(row["source"], row["placement_source"]) for row in rows} == {
        ("results.pb", "runtime_info.pb")
    }
    assert all(row["delegated_nodes"] == row["total_nodes"] > 2 for row in rows)
    assert rows[0]["thermal_after"]["state"] == "light"
    assert "Loop" in out and "throttles" in err
    assert list(phone.folder.iterdir()) == []


@needs_adb
def test_pictures_made_there_are_those_made_here(phones, bench, ground_truth, tmp_path):
    phone = phones()
    process = bench("--data", ground_truth / "second", "--json", tmp_path / "r.json")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    (row,) = json.loads((tmp_path / "r.json").read_text())["quality"]
    # The stand-in runs the same kernels as this machine.
    assert row["max_abs_code_difference"] == 0
    assert row["psnr_rgb_db"] == row["desktop_psnr_rgb_db"] > 20
    assert list(phone.folder.iterdir()) == []


@needs_adb
@pytest.mark.parametrize(
    ("accelerator", "status", "said"),
    [
        ("refuse", 2, "Failed to apply NNAPI delegate"),
        ("fall-back", 1, "fell back to CPU"),
        ("loop", 0, "NNAPI is deprecated since Android 15"),
    ],
)
def test_accelerators_are_judged(phones, bench, accelerator, status, said):
    phone = phones()
    process = bench(
        "--delegate", "nnapi", "--accelerator", accelerator, "--require-full-delegation"
    )
    _, err = process.communicate(timeout=300)
    assert (process.returncode, said in err) == (status, True), err
    assert "Traceback" not in err
    assert list(phone.folder.iterdir()) == []


@needs_adb
@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 0, "times read from results.pb, nodes from runtime_info.pb"),
        (("absent",), 1, "gpu took no node: the time is the CPU's"),
        (("cut",), 2, "expected a whole results.pb from benchmark_model, found it cut at byte"),
    ],
)
def test_litert_and_what_it_writes_are_judged(phones, bench, arguments, status, said, tmp_path):
    phone = phones()
    flags = [word for backend in arguments for word in ("--tool-flag", f"gpu_backend={backend}")]
    process = bench(
        "--delegate",
        "gpu",
        "--require-full-delegation",
        "--leaderboard",
        tmp_path / "board.jsonl",
        *flags,
        kind="litert",
    )
    _, err = process.communicate(timeout=300)
    assert (process.returncode, said in err) == (status, True), err
    assert "Traceback" not in err and err.count("error: ") == (status == 2)
    assert list(phone.folder.iterdir()) == []
    assert (tmp_path / "board.jsonl").exists() == (status == 0)
    if status == 0:
        (row,) = map(json.loads, (tmp_path / "board.jsonl").read_text().splitlines())
        assert row["delegate"] == "LITERT_CL" and row["nodes_delegated"] == row["nodes_total"]
        assert row["binary"] == "2.2.0/android_arm64/benchmark_model"


@needs_adb
def test_a_program_older_than_its_files_is_read_by_its_text(phones, bench, tmp_path):
    phones()
    process = bench("--json", tmp_path / "r.json", kind="old")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    (row,) = json.loads((tmp_path / "r.json").read_text())["results"]
    assert (row["source"], row["placement_source"]) == ("text", "text")
    assert row["placement"] == "completely" and row["median_ms"] > 0


@needs_adb
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing_on_the_phone(phones, bench, number):
    phone = phones()
    process = bench("--threads", "7")
    pid = None
    for _ in range(1200):
        found = list(phone.folder.glob("*/pid"))
        text = found[0].read_text().strip() if found else ""
        # The help's process id comes first; the run's is the one that stays.
        if any("--graph" in command for command in phone.commands) and re.fullmatch(r"\d+", text):
            pid = int(text)
            break
        time.sleep(0.1)
    assert pid is not None
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "interrupted"
    assert list(phone.folder.iterdir()) == []
