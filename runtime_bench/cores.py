"""Masks of processor cores, and work that is bound to some of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from sr_models.errors import OptionError


def require_cpus(mask: str) -> str:
    """A mask of cores as `taskset` has it, hexadecimal without `0x`; empty for no mask.

    Raises:
        OptionError: Anything else, and a mask of no core at all.
    """
    bare = mask.lower().removeprefix("0x")
    if mask and not (re.fullmatch(r"[0-9a-f]{1,16}", bare) and int(bare, 16)):
        raise OptionError(f"expected a mask of cores such as f0 (cores 4 to 7), found {mask!r}")
    return bare


def cores_of_mask(mask: str) -> frozenset[int]:
    """Numbers of the cores in a mask: `f0` is 4 to 7."""
    bits = int(require_cpus(mask) or "0", 16)
    return frozenset(core for core in range(bits.bit_length()) if bits >> core & 1)


@contextmanager
def bound_to(mask: str) -> Iterator[None]:
    """Bind this process, and every thread that it starts within, to the cores of a mask.

    Args:
        mask: Hexadecimal; empty to change nothing.

    Raises:
        OptionError: No mask, cores that this machine does not give, or no way to bind.
    """
    if not require_cpus(mask):
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise OptionError("expected a system that binds work to cores, found none; leave --cpus")
    former = os.sched_getaffinity(0)
    wanted = cores_of_mask(mask)
    if not wanted <= former:
        raise OptionError(
            f"expected cores of {sorted(former)} in --cpus {mask}, found {sorted(wanted)}"
        )
    os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        os.sched_setaffinity(0, former)
