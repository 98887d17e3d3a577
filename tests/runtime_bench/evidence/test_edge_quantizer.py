import numpy as np
import pytest

from export.exporting.conversion import convert_float
from runtime_bench.evidence.calibration import MODES, is_installed, make_calibrator
from tests.networks import sharpening_network


@pytest.mark.skipif(not is_installed(), reason="ai-edge-quantizer is not installed")
@pytest.mark.parametrize("mode", MODES)
def test_one_picture_gives_its_own_ranges(mode, capsys):
    model = sharpening_network(tail="none")
    content = convert_float(model, height=16, width=16)
    picture = np.random.default_rng(0).random((1, 16, 16, 3), dtype=np.float32)
    found = make_calibrator(content, [picture], threads=1, mode=mode)()
    y = model(picture).numpy()
    wanted = {"input": (picture.min(), picture.max()), "output": (y.min(), y.max())}
    ranges = [(float(np.min(v["min"])), float(np.max(v["max"]))) for v in found.values() if v]
    for low, high in wanted.values():
        assert any(np.allclose(pair, (low, high), atol=1e-4) for pair in ranges)
    assert "Calibration" not in capsys.readouterr().err


def test_a_missing_package_is_said_to_be_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not is_installed()
