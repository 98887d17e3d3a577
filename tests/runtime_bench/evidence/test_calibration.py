import pytest

from representative_data.cfqp import build_natural_dataset
from representative_data.tiles import load_tiles
from runtime_bench.evidence.calibration import MODES, ObserverTiming, is_installed, time_observers
from tests.networks import sharpening_network


def test_the_ratio_is_that_of_the_medians():
    timing = ObserverTiming(100, 96, (10.0, 30.0, 20.0), (90.0, 100.0, 2000.0), (5.0, 5.0, 5.0))
    assert timing.ratio == 5.0
    row = timing.to_json()
    assert (row["observer_ms"], row["calibrator_ms"], row["rounds"]) == (20.0, 100.0, 3)
    assert row["edge_quantizer_ms"] == {} and row["edge_quantizer_over_observer"] is None


def test_the_faster_mode_of_another_quantizer_counts():
    modes = {"slow": (90.0, 100.0, 110.0), "fast": (30.0, 50.0, 500.0)}
    timing = ObserverTiming(100, 96, (20.0,), (100.0,), (5.0,), modes)
    row = timing.to_json()
    assert row["edge_quantizer_ms"] == {"slow": 100.0, "fast": 50.0}
    assert row["edge_quantizer_over_observer"] == timing.quantizer_ratio == 2.5


@pytest.mark.slow
def test_both_observers_are_run_on_the_same_pictures(picture_folder):
    model = sharpening_network()
    tiles = load_tiles(picture_folder, scale=2, count=5, side=16)
    dataset = build_natural_dataset(model, tiles, network="sharpening", scale=2)
    rounds = []
    timing = time_observers(model, dataset, rounds=2, on_round=lambda *step: rounds.append(step))
    assert (timing.pictures, timing.tile_side) == (5, 16)
    assert rounds == [(1, 2), (2, 2)]
    assert set(timing.quantizer_ms) == (set(MODES) if is_installed() else set())
    assert all(ms > 0 for ms in (*timing.observer_ms, *timing.calibrator_ms, *timing.forward_ms))
