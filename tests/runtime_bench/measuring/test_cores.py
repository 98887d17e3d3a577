import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_bench.measuring.machine import bound_to, cores_of_mask, require_cpus
from sr_models.ground.errors import OptionError


@pytest.mark.parametrize("mask", ["g0", "0", "0x", "00", "f0;reboot", "1" * 17, "-f", " "])
def test_masks_of_cores_are_hexadecimal(mask):
    with pytest.raises(OptionError, match="mask of cores"):
        require_cpus(mask)


def test_masks_are_written_in_one_way():
    assert [require_cpus(mask) for mask in ("", "F0", "0xF0")] == ["", "f0", "f0"]
    # Eight bits, the upper four set.
    assert cores_of_mask("f0") == {4, 5, 6, 7}


@given(st.sets(st.integers(0, 63), min_size=1))
def test_every_set_of_cores_has_its_mask(cores):
    assert cores_of_mask(f"{sum(2**core for core in cores):x}") == cores


needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system cannot bind work to cores"
)


@needs_affinity
def test_work_is_bound_and_let_go():
    former = os.sched_getaffinity(0)
    core = max(former)
    with pytest.raises(ZeroDivisionError), bound_to(f"{2**core:x}"):
        assert os.sched_getaffinity(0) == {core}
        raise ZeroDivisionError
    assert os.sched_getaffinity(0) == former
    with bound_to(""):
        assert os.sched_getaffinity(0) == former


@needs_affinity
def test_cores_that_are_not_there_are_refused():
    absent = min(set(range(64)) - os.sched_getaffinity(0))
    with pytest.raises(OptionError, match="expected cores of"), bound_to(f"{2**absent:x}"):
        pytest.fail("was bound")
