from types import SimpleNamespace

import numpy as np
import pytest

from export.running.statistics import Comparison, summarize
from runtime_bench.pages.demo import Demonstration, Row, build_page, speedup_text, table


def row(name, *, clips=0, scale=1 / 255, holds=True, raw=30.0, dequantized=30.0, ms=10.0):
    quality = SimpleNamespace(
        raw=SimpleNamespace(psnr_rgb_db=raw), dequantized=SimpleNamespace(psnr_rgb_db=dequantized)
    )
    audit = SimpleNamespace(
        ops={"CONV_2D": 11, "QUANTIZE": 2},
        clip_ops=[{}] * clips,
        outputs=[SimpleNamespace(scale=scale)],
        pixel_contract=SimpleNamespace(holds=holds),
    )
    latency = SimpleNamespace(summary=summarize([ms] * 10))
    speedup = Comparison(20.0 / ms, 19.0 / ms, 21.0 / ms, 0.001, ms != 20.0)
    variant = SimpleNamespace(name=name, file=f"{name}.tflite")
    return Row(variant, audit, holds, (quality,), {1: latency}, {1: speedup})


@pytest.fixture
def demonstration():
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    rows = (
        row("clipped", clips=2, ms=20.0),
        row("natural", scale=1.1 / 255, holds=False, raw=24.0),
        row("cfqp", raw=30.25, dequantized=30.25),
    )
    return Demonstration("net_x3", rows, {"Set5": 31.0}, ((("truth", noise),),), (("cfqp", noise),))


def test_the_table_sets_float_first_and_every_variant_below(demonstration):
    columns, rows = table(demonstration)
    assert columns == [
        "variant",
        "operators",
        "clips",
        "255 x scale",
        "codes are pixels",
        "Set5 raw / dequantized dB",
        "ms, 1 thread",
        "speed-up, 1 thread",
    ]
    assert rows[0] == ["float network", "-", "-", "-", "-", "31.000", "-", "-"]
    assert rows[1] == [
        "clipped",
        "13",
        "2",
        "1.0000",
        "yes",
        "30.000 / 30.000",
        "20.0",
        "baseline",
    ]
    assert rows[2][3:6] == ["1.1000", "no", "24.000 / 30.000"]
    assert rows[3][-2:] == ["10.0", "2.00 [1.90, 2.10]"]


def test_faster_is_only_said_where_it_was_shown():
    assert speedup_text(Comparison(1.3, 0.9, 1.8, 0.2, False)) == "1.30 (no difference shown)"


def test_the_page_shows_all_parts(demonstration):
    html = build_page(demonstration, machine={"cpu": "a CPU", "cores": 2}, scale=3).html()
    for part in ("net_x3", "Latency at 1 thread", "Side by side", "Output codes", "a CPU"):
        assert part in html
