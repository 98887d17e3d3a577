from export.running.statistics import Comparison
from runtime_bench.evidence.calibration import ObserverTiming, print_calibration
from runtime_bench.evidence.forms import print_forms
from runtime_bench.evidence.training import print_training
from runtime_bench.evidence.training_speed import TrainingSpeed
from tests.runtime_bench.results import latency


def test_calibration_and_forms(capsys):
    print_calibration(ObserverTiming(100, 96, (10.0,), (95.0,), (5.0,)))
    out = capsys.readouterr().out
    assert "9.5" in out and "not installed, pip install ai-edge-quantizer" in out
    print_calibration(ObserverTiming(100, 96, (10.0,), (95.0,), (5.0,), {"profiler": (37.0,)}))
    assert "ai-edge-quantizer (profiler)" in (out := capsys.readouterr().out) and "3.7" in out
    named = {"train": latency(samples=(4.0,)), "deploy": latency(samples=(2.0,))}
    print_forms({2: (named, Comparison(2.0, 1.9, 2.1, 0.2, False))})
    assert "1.900 to 2.100" in capsys.readouterr().out


def test_training(capsys):
    speed = TrainingSpeed("espcn_x3", "espcn", "soap", 16, 32, 50, 7.0778, 125.87, 0.01841)
    print_training([speed])
    row = next(line for line in capsys.readouterr().out.splitlines() if "espcn_x3" in line)
    assert row.replace("│", " ").split() == [
        "espcn_x3",
        "espcn",
        "soap",
        "16",
        "32",
        "50",
        "7.08",
        "125.9",
        "1.84",
    ]
