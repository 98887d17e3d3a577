import json

import numpy as np
import pytest

from representative_data.cfqp import build_cfqp_dataset
from representative_data.report import build_report, report_tables, share_text, span_text
from representative_data.tiles import load_tiles
from tests.networks import sharpening_network


@pytest.fixture(scope="module")
def made(picture_folder):
    tiles = load_tiles(picture_folder, scale=2, count=8, side=32)
    model = sharpening_network(strength=0.2, tail="none")
    dataset = build_cfqp_dataset(model, tiles, network="sharpening", scale=2)
    return model, tiles, build_report(model, tiles, dataset)


def test_the_report_compares_each_layer_with_natural_pictures(made):
    model, tiles, report = made
    answers = [model(tile.pixels[None] / np.float32(255)).numpy() for tile in tiles]
    assert report.leaving == sum(y.min() < 0.0 or y.max() > 1.0 for y in answers) > 0
    assert report.natural_output_range[1] == pytest.approx(max(y.max() for y in answers), abs=1e-5)
    layers = report.comparison.layers
    assert [layer.tensor for layer in layers] == ["input", "last", "depth_to_space"]
    assert layers[-1].span_ratio < 1.0
    assert report.counts["anchor"] == 2


def test_the_report_is_plain_data(made):
    data = json.loads(json.dumps(made[2].to_json()))
    assert data["pixel_contract"]["holds"] and data["pixel_contract"]["reasons"] == []
    assert data["saturating_tensor"] == "input"  # the only one that is judged here
    assert data["layers"][0]["natural"] == list(made[2].comparison.layers[0].natural)
    histograms = data["output_histograms"]
    assert len(histograms["bin_edges"]) == len(histograms["set"]) + 1
    assert sum(histograms["natural"]) == pytest.approx(1.0, abs=1e-4)


def test_the_tables_say_what_the_gates_say(made):
    (summary, _, rows), (layers, columns, layer_rows) = report_tables(made[2])
    assert (summary, layers) == ("representative dataset (cfqp)", "tensor ranges")
    told = dict(rows)
    assert told["pixel contract of the set alone (--pure)"].startswith("holds: ")
    assert told["most saturation of natural activations"].endswith("(input)")
    assert all(len(row) == len(columns) for row in layer_rows)
    assert layer_rows[-1][-1].endswith("(the clip)")


def test_a_share_tells_none_from_few():
    told = [share_text(share) for share in (None, 0.0, 1e-8, 1e-6, 0.5)]
    assert told == ["-", "0", "< 0.0001 %", "0.0001 %", "50 %"]


def test_a_range_has_no_negative_zero():
    assert span_text((-0.00001, 1.00077)) == "0.0000..1.0008"


def test_nothing_is_allowed_to_saturate_below_what_does(made):
    report = made[2]
    share = report.comparison.worst.saturating_fraction
    assert report.saturating(share) == []
    if share:
        assert report.saturating(0.0) == ["input"]
