import pytest

from export.running import targets
from export.running.targets import (
    DEFAULT_TARGET,
    EVERY,
    HERE,
    Target,
    find_target,
    packing_targets,
    register_target,
    require_target,
    target_names,
    target_of_machine,
)
from sr_models.ground.errors import OptionError

NAMED = ("arm64-dotprod", "arm64-i8mm", "arm64-neon", "x86-avx2", "x86-avx512vnni", "here")


def test_an_unknown_target_lists_those_that_are_known():
    with pytest.raises(OptionError) as refused:
        find_target("arm64-magic")
    assert "found 'arm64-magic'" in str(refused.value)
    assert all(name in str(refused.value) for name in NAMED)
    with pytest.raises(OptionError):
        require_target(EVERY)
    require_target(EVERY, or_every=True)


@pytest.mark.parametrize(
    ("name", "tile"),
    [
        ("arm64-dotprod", (4, 16, 4)),
        ("arm64-i8mm", (4, 16, 8)),
        ("arm64-neon", (2, 8, 8)),
        ("x86-avx2", (3, 8, 8)),
        ("x86-avx512vnni", (7, 16, 8)),
    ],
)
def test_tiles_are_those_that_the_kernels_are_called_by(name, tile):
    """XNNPACK names a kernel by rows, outputs and inputs: 4x16c4."""
    kernel = find_target(name).kernel
    assert (kernel.rows, kernel.outputs, kernel.inputs) == tile
    assert kernel.name.split()[0] == "{}x{}c{}".format(*tile)
    assert "gemm-config.c" in find_target(name).source and "2026" in find_target(name).source


@pytest.mark.parametrize(
    ("machine", "flags", "expected"),
    [
        ("aarch64", "fp asimd asimddp i8mm", "arm64-i8mm"),
        ("aarch64", "fp asimd asimddp", "arm64-dotprod"),
        ("aarch64", "fp asimd", "arm64-neon"),
        ("arm64", "", "arm64-dotprod"),
        ("x86_64", "avx2 avx512f avx512bw avx512_vnni avx_vnni", "x86-avx512vnni"),
        ("x86_64", "avx2 avx_vnni", "x86-avxvnni"),
        ("x86_64", "avx2 avx512bw", "x86-avx512"),
        ("AMD64", "avx2", "x86-avx2"),
        ("x86_64", "sse4_1", "x86_64"),
        ("riscv64", "", "riscv64"),
    ],
)
def test_a_machine_has_the_target_of_its_widest_kernels(machine, flags, expected):
    assert target_of_machine(machine, frozenset(flags.split())) == expected


def test_a_machine_that_nobody_described_is_said(monkeypatch):
    monkeypatch.setattr(targets.platform, "machine", lambda: "riscv64")
    monkeypatch.setattr(targets, "_features", frozenset)
    with pytest.raises(OptionError, match=r"expected this machine among.*found 'riscv64'"):
        find_target(HERE)


def test_one_file_for_all_asks_those_whose_kernels_are_known(monkeypatch):
    npu = Target("npu", "some", None, frozenset(), "a table")
    monkeypatch.setitem(targets._TARGETS, "npu", npu)
    assert find_target("npu") is npu
    assert {t.name for t in packing_targets(EVERY)} == {*target_names()} - {"npu", HERE}
    assert [t.name for t in packing_targets("x86-avx2")] == ["x86-avx2"]
    with pytest.raises(OptionError, match=r"whose kernels are known of arm64-dotprod.*found 'npu'"):
        packing_targets("npu")


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="registered twice"):
        register_target(find_target(DEFAULT_TARGET))
