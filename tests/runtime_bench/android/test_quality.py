import re

import numpy as np
import pytest

from export.running.interpreters import Tensor, open_model
from runtime_bench.android.adb import PhoneError
from runtime_bench.android.quality import codes_of_bytes
from runtime_bench.android.run import measure_phones, plan_job
from runtime_bench.android.tool import ToolRun
from runtime_bench.measuring.quality import find_datasets, measure_file
from tests.runtime_bench.android.fakes import FakeAdb


def runs_for_real(planted=0):
    """Answer a run on a picture with what the file really makes of it, plus a planted fault."""

    def run(adb, flags):
        if "output_filepath" not in flags:
            return
        height, width = map(
            int, re.fullmatch(r"1,(\d+),(\d+),3", flags["input_layer_shape"]).groups()
        )
        runner = open_model(adb.files[flags["graph"]], height=height, width=width)
        tensor = runner.inputs[0]
        data = adb.files[flags["input_layer_value_files"].split(":", 1)[1]]
        output = runner.run(np.frombuffer(data, tensor.dtype).reshape(tensor.shape)).copy()
        output[0, 5, 5, 0] ^= planted
        adb.files[flags["output_filepath"]] = output.tobytes()

    return run


@pytest.fixture
def measured(files, program, ground_truth):
    def make(name="clip_free", planted=0):
        job = plan_job(
            [getattr(files, name)],
            threads=(1,),
            run=ToolRun(),
            tool=program,
            datasets=find_datasets(ground_truth),
        )
        (outcome,) = measure_phones(FakeAdb(on_run=runs_for_real(planted)), job)
        assert outcome.error == ""
        return outcome.quality

    return make


@pytest.mark.parametrize("name", ["clip_free", "clip_free_int8"])
def test_the_same_kernels_make_the_same_pictures(measured, files, ground_truth, name):
    first, second = measured(name)
    assert (first.dataset, first.images, second.dataset, second.images) == ("first", 2, "second", 1)
    assert (first.largest, first.differing_fraction) == (0, 0.0)
    desktop = measure_file(open_model(getattr(files, name)), find_datasets(ground_truth)[0])
    assert first.phone.psnr_rgb_db == pytest.approx(desktop.raw.psnr_rgb_db)
    assert first.desktop == first.phone


def test_a_code_that_differs_on_the_phone_is_found(measured):
    first, _ = measured(planted=1 << 6)
    assert first.largest == 64
    assert 0 < first.differing_fraction < 1e-3
    row = first.to_json()
    assert row["psnr_rgb_db"] != row["desktop_psnr_rgb_db"]
    assert (row["serial"], row["max_abs_code_difference"]) == ("P1", 64)


def test_bytes_of_another_number_are_refused():
    tensor = Tensor("y", (1, 2, 2, 3), "int8", 1 / 255, -128)
    assert codes_of_bytes(bytes([255] * 12), tensor).tolist() == [[[[-1] * 3] * 2] * 2]
    with pytest.raises(PhoneError, match=r"expected 12 bytes .* found 13"):
        codes_of_bytes(bytes(13), tensor)
