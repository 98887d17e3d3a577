import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_bench.measuring.memory import measure_peak_mb, parse_status
from sr_models.ground.errors import ModelFileError

# After proc(5); numbers invented.
STATUS = "Name:\tpython3\nVmPeak:\t  999999 kB\nVmHWM:\t   56789 kB\nVmRSS:\t   12345 kB\n"


def test_sizes_are_read():
    assert (parse_status(STATUS, "VmHWM"), parse_status(STATUS, "VmRSS")) == (56789, 12345)
    assert parse_status(STATUS, "VmSwap") is None


@given(st.text(), st.text(min_size=1))
def test_any_text_can_be_read(text, key):
    parse_status(text, key)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_larger_picture_takes_more_memory(files):
    """The x2 output alone, uint8, is 3 * (2 * 1024)^2 bytes, 12 MiB; 24x24 pixels are little."""
    small = measure_peak_mb(files.clip_free, delegate="builtin")
    large = measure_peak_mb(files.clip_free, delegate="builtin", height=1024, width=1024)
    assert large - small > 12


def test_a_file_that_cannot_run_is_said(tmp_path):
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"none")
    with pytest.raises(ModelFileError, match=r"expected to run .* for its memory"):
        measure_peak_mb(path)
