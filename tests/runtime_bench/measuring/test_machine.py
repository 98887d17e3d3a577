import dataclasses

from runtime_bench.measuring.machine import Machine, parse_cpuinfo, read_machine

X86 = """processor\t: 0
model name\t: Imaginary CPU @ 2.10GHz
flags\t\t: fpu vme avx2 fma avx512f avx512_vnni

processor\t: 1
model name\t: Imaginary CPU @ 2.10GHz
"""
ARM = """processor\t: 0
Features\t: fp asimd asimddp i8mm
CPU part\t: 0xd40
"""
QUIET = Machine("cpu", (), 4, "performance", 0.3, "system", "3.11", {"numpy": "2"})


def test_x86():
    found = parse_cpuinfo(X86)
    assert found.model == "Imaginary CPU @ 2.10GHz"
    assert found.features == ("avx2", "fma", "avx512f", "avx512_vnni")


def test_arm():
    found = parse_cpuinfo(ARM)
    assert (found.model, found.features) == ("0xd40", ("asimd", "asimddp", "i8mm"))


def test_no_information():
    assert parse_cpuinfo("") == parse_cpuinfo("nothing here\n")


def test_a_quiet_machine_is_not_warned_about():
    assert QUIET.warning is None
    assert dataclasses.replace(QUIET, governor=None, load_average=None).warning is None


def test_load_counts_against_cores():
    assert "load average 1.5 on 4" in dataclasses.replace(QUIET, load_average=1.5).warning
    assert dataclasses.replace(QUIET, load_average=1.5, cores=16).warning is None


def test_a_saving_governor_is_named():
    assert "powersave" in dataclasses.replace(QUIET, governor="powersave").warning


def test_this_machine():
    row = read_machine().to_json()
    assert row["cpu"] and row["cores"] >= 1 and row["system"] and row["python"]
    assert row["versions"]["numpy"] and row["versions"]["ai-edge-litert"]
    assert "warning" in row


def test_a_quarter_of_the_cores_may_be_busy():
    assert dataclasses.replace(QUIET, load_average=1.0).warning is None
    assert dataclasses.replace(QUIET, load_average=1.01).warning is not None


def test_every_reason_is_given_and_a_remedy():
    busy = dataclasses.replace(QUIET, load_average=8.0, governor="powersave")
    assert busy.warning == (
        "noisy machine: load average 8.0 on 4 core(s) and CPU governor powersave; "
        "end other work and measure again"
    )


def test_json_is_plain_data():
    row = dataclasses.replace(QUIET, cpu_features=("avx2",)).to_json()
    assert row == {
        "cpu": "cpu",
        "cpu_features": ["avx2"],
        "cores": 4,
        "governor": "performance",
        "load_average": 0.3,
        "system": "system",
        "python": "3.11",
        "versions": {"numpy": "2"},
        "warning": None,
    }


def test_only_whole_words_are_features():
    assert parse_cpuinfo("flags : avx2x noavx2 fma\n").features == ("fma",)
