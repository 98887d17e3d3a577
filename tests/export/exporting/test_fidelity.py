import math

import numpy as np
import pytest

from export.exporting.conversion import convert_float, convert_with_calibrator
from export.exporting.judging import measure_fidelity
from export.running.interpreters import open_model


def test_a_float_file_is_faithful_up_to_rounding(sharpening, natural):
    runner = open_model(convert_float(sharpening, height=24, width=24), delegate="builtin")
    found = measure_fidelity(runner, sharpening, natural.pictures)
    assert found.pictures == len(natural)
    assert found.max_abs_code_difference <= 1  # ties
    assert found.psnr_db > 60.0
    assert 0.0 < found.saturated_fraction < 0.5


def test_a_broken_contract_costs_raw_and_not_dequantized_fidelity(sharpening, natural):
    """The numbers agree with the pixels a reader would see, computed here by hand."""
    content = convert_with_calibrator(sharpening, natural, height=24, width=24)
    runner = open_model(content, delegate="builtin")
    found = measure_fidelity(runner, sharpening, natural.pictures[:2])
    assert found.dequantized_psnr_db > 40.0
    assert found.psnr_db < found.dequantized_psnr_db - 5.0
    squares = []
    for picture in natural.pictures[:2]:
        y = sharpening(picture[None] / np.float32(255)).numpy()
        expected = np.rint(np.clip(y, 0, 1) * 255)
        squares.append(np.square(runner.run(picture[None]).astype(float) - expected))
    by_hand = 10 * math.log10(255**2 / np.mean(squares))
    assert found.psnr_db == pytest.approx(by_hand, abs=1e-6)
