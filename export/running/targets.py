"""Processors that files are made for: the widths of XNNPACK's int8 kernels, and what it leaves.

One record per target. A convolution is computed in tiles: so many pixels, so many output channels,
so many input channels at a time. What does not fill a tile is computed all the same and thrown
away, so that a layer's time follows the tiles and not the multiply-adds. Widths are those of
XNNPACK's own configuration; what else a tile costs was fitted on the one processor that was
measured (`MEASURED_ON`, `sr-bench evidence kernels`) and is taken over to the others by the
instructions that their kernels need.

Whoever adds a target whose kernels are not published gives it no kernel: its operators then are
only told apart by whether they are taken.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sr_models.ground.errors import require_known

DEFAULT_TARGET = "arm64-dotprod"
"""Phones are what files are for; those sold since 2018 have it."""
HERE = "here"
EVERY = "every"
"""What pays for some target and costs none: one file for all of them."""
MEASURED_ON = "x86-avx2"

_GEMM = "google/XNNPACK src/configs/gemm-config.c, init_qs8_qc8w_gemm_config"
_DEPTHWISE = "src/configs/dwconv-config.c, init_qs8_qc8w_dwconv_config"
_READ = "at 0011854617, read 29 November 2026"


@dataclass(frozen=True)
class Kernel:
    """The tile of a convolution whose weights have one scale for each output channel.

    Attributes:
        name: What XNNPACK calls it.
        rows: Pixels at once, mr.
        outputs: Output channels at once, nr; every group of a convolution fills its own.
        inputs: Input channels at once, kr; every tap of a kernel fills its own.
        products: Multiply-adds of one instruction, those counted that it takes beside.
        depthwise: Channels at once where each channel is convolved by itself.
        depthwise_taps: Largest kernels for that, in taps; larger ones are groups of one channel.
    """

    name: str
    rows: int
    outputs: int
    inputs: int
    products: float
    depthwise: int
    depthwise_taps: tuple[int, ...] = (3, 9, 25)


@dataclass(frozen=True)
class Target:
    """One processor, or one way to run a file on it.

    Attributes:
        name: What options call it.
        summary: Which devices it stands for.
        kernel: Its int8 convolutions, fully connected layers included; `None` where not known.
        left_behind: Operators that the delegate takes in no int8 form.
        source: Where that stands, with its date.
        most_joined: Tensors that it concatenates at once.
        signed_only: Whether it leaves QUANTIZE between uint8 and int8 behind.
    """

    name: str
    summary: str
    kernel: Kernel | None
    left_behind: frozenset[str]
    source: str
    most_joined: int = 5
    signed_only: bool = True


XNNPACK_LEAVES = frozenset({"MAXIMUM", "MINIMUM", "PRELU", "RELU", "RELU6", "RELU_0_TO_1"})
"""`QuantizedOp...` checks of tflite/delegates/xnnpack/xnnpack_delegate.cc, and asked of LiteRT 2.3.

A ReLU that is fused into a convolution, an addition or a multiplication is taken.
"""

_TARGETS: dict[str, Target] = {}


def register_target(target: Target) -> Target:
    """Add a target; a name that is taken already is a programming error (`ValueError`)."""
    if target.name in (*_TARGETS, HERE, EVERY):
        raise ValueError(f"the target {target.name!r} is registered twice")
    _TARGETS[target.name] = target
    return target


def _of_xnnpack(name: str, summary: str, kernel: Kernel) -> Target:
    source = f"{_GEMM}; {_DEPTHWISE}; {_READ}"
    return register_target(Target(name, summary, kernel, XNNPACK_LEAVES, source))


_of_xnnpack(
    "arm64-dotprod",
    "phones since 2018: Cortex-A55 and A76 to X1, Apple A11",
    Kernel("4x16c4 neondot", rows=4, outputs=16, inputs=4, products=16, depthwise=16),
)
_of_xnnpack(
    "arm64-i8mm",
    "phones since 2022: Cortex-A510, A710 and X2 on",
    Kernel("4x16c8 neoni8mm", rows=4, outputs=16, inputs=8, products=32, depthwise=16),
)
_of_xnnpack(
    "arm64-neon",
    "older phones: Cortex-A72 and A73 (A53 takes 4x16 tiles)",
    Kernel("2x8c8 neon_mlal", rows=2, outputs=8, inputs=8, products=6, depthwise=16),
)
_of_xnnpack(
    "x86-avx2",
    "desktops without VNNI: AMD before Zen 4, Intel before 2019",
    Kernel("3x8c8 avx2", rows=3, outputs=8, inputs=8, products=8, depthwise=16),
)
_of_xnnpack(
    "x86-avxvnni",
    "Intel desktops since 2021",
    Kernel("5x8c8 avxvnni", rows=5, outputs=8, inputs=8, products=32, depthwise=16),
)
_of_xnnpack(
    "x86-avx512",
    "servers with AVX-512 before VNNI",
    Kernel("7x16c8 avx512skx", rows=7, outputs=16, inputs=8, products=16, depthwise=32),
)
_of_xnnpack(
    "x86-avx512vnni",
    "servers since 2019, AMD since Zen 4",
    Kernel("7x16c8 avx512vnni", rows=7, outputs=16, inputs=8, products=64, depthwise=32),
)


def target_names() -> tuple[str, ...]:
    """All targets that can be given by name, this machine's last."""
    return (*_TARGETS, HERE)


def require_target(name: str, *, or_every: bool = False) -> None:
    """Raise `OptionError`, naming all that are known, for an unknown target."""
    require_known("a target", name, (*target_names(), *((EVERY,) if or_every else ())))


def find_target(name: str) -> Target:
    """The target of that name, or this machine's.

    Raises:
        OptionError: An unknown target; or this machine's kernels are not known here.
    """
    require_target(name)
    if name == HERE:
        name = target_of_machine(platform.machine(), _features())
        require_known("this machine among the targets", name, tuple(_TARGETS))
    return _TARGETS[name]


def this_machine(name: str = HERE) -> str:
    """A target's name, with `"here"` replaced by that of this machine's target.

    Studies that time files on this machine pack them for it, and say for which target that was.
    """
    return find_target(name).name if name == HERE else name


def packing_targets(name: str) -> tuple[Target, ...]:
    """The targets that layers are packed for, of which none may lose by it.

    Raises:
        OptionError: An unknown target, or one whose kernels are not known.
    """
    if name == EVERY:
        return tuple(target for target in _TARGETS.values() if target.kernel is not None)
    target = find_target(name)
    known = [t.name for t in _TARGETS.values() if t.kernel is not None]
    require_known("a target whose kernels are known", target.name, known)
    return (target,)


def target_of_machine(machine: str, features: frozenset[str]) -> str:
    """The target whose kernels XNNPACK takes on a processor; its architecture for one unknown.

    Args:
        machine: Architecture as `platform.machine()` has it.
        features: Flags of `/proc/cpuinfo`.
    """
    if machine.lower() in ("aarch64", "arm64"):
        if "i8mm" in features:
            return "arm64-i8mm"
        # Apple's system tells no flags; each of its processors with 64 bits here has them.
        return "arm64-dotprod" if "asimddp" in features or not features else "arm64-neon"
    order = (
        ("avx512_vnni", "x86-avx512vnni"),
        ("avx_vnni", "x86-avxvnni"),
        ("avx512bw", "x86-avx512"),
        ("avx2", "x86-avx2"),
    )
    if machine.lower() in ("x86_64", "amd64"):
        return next((name for flag, name in order if flag in features), machine)
    return machine


@cache
def _features() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip().lower() in ("flags", "features"):
            return frozenset(value.split())
    return frozenset()
