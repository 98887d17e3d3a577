import numpy as np

from representative_data.cfqp import build_cfqp_dataset
from representative_data.report import build_report, report_rows
from representative_data.tiles import load_tiles
from tests.networks import sharpening_network


def test_the_report_compares_each_layer_with_natural_pictures(picture_folder):
    tiles = load_tiles(picture_folder, scale=2, count=8, side=32)
    model = sharpening_network(strength=0.2, tail="none")
    dataset = build_cfqp_dataset(model, tiles, network="sharpening", scale=2)
    report = build_report(model, tiles, dataset)
    answers = [model(tile.pixels[None] / np.float32(255)).numpy() for tile in tiles]
    leaving = sum(y.min() < 0.0 or y.max() > 1.0 for y in answers)
    assert report["natural_outputs_leaving_0_1"] == leaving > 0
    assert [row["tensor"] for row in report["layers"]] == ["input", "last", "depth_to_space"]
    assert report["layers"][-1]["span_ratio"] < 1.0
    assert report["counts"]["anchor"] == 2
    titles = [title for title, _, _ in report_rows(report)]
    assert titles == ["representative dataset (cfqp)", "tensor ranges"]
