import json
from dataclasses import replace

import pytest

from export.exporting.settings import ExportSettings
from runtime_bench.comparing.drop import TWIN, Drop, drop_rows, drops, worse_than_twins
from runtime_bench.measuring.quality import Dataset
from sr_models.ground.errors import OptionError
from sr_models.ground.sizes import Size

MADE = Drop(
    "xlsr_x3", "cfqp", {"Set5": (0.3, 0.1), "Set14": (0.1, 0.06)}, 43.5, 12.4, "ab", "xnnpack", 3
)


def test_means_are_over_datasets_and_not_over_pictures():
    assert MADE.mean_rgb_db == pytest.approx(0.2)
    assert MADE.mean_y_db == pytest.approx(0.08)
    data = json.loads(json.dumps(MADE.to_json()))
    assert data["datasets"]["Set14"] == {"psnr_rgb_drop_db": 0.1, "psnr_y_drop_db": 0.06}
    assert "antialiased bicubic" in data["protocol"] and data["seconds"] == 12.4


def test_a_table_has_a_column_for_each_dataset():
    other = Drop("abpn_x3", "cfqp", {"B100": (0.02, 0.01)}, 51.7, 9.0, "cd", "xnnpack", 3)
    columns, rows = drop_rows([MADE, other])
    assert columns[2:6] == ["Set5", "Set14", "B100", "mean"]
    assert rows[0][2:6] == ["0.300 / 0.100", "0.100 / 0.060", "-", "0.200 / 0.080"]
    assert rows[1][2:5] == ["-", "-", "0.020 / 0.010"]


def test_a_luma_network_is_judged_by_luma_alone():
    nothing = float("nan")
    luma = replace(MADE, network="net.onnx", datasets={"Set5": (nothing, 0.1)}, luma=True)
    assert luma.mean_db == luma.worst_db == pytest.approx(0.1)
    assert "of its luma" in luma.to_json()["protocol"]
    assert drop_rows([luma])[1][0][:4] == ["net.onnx", "cfqp", "- / 0.100", "- / 0.100"]
    twin = replace(luma, method=TWIN, datasets={"Set5": (nothing, 0.05)})
    assert worse_than_twins([luma, twin]) == ["net.onnx by cfqp"]


def test_a_file_below_its_own_twin_is_named():
    twin = replace(MADE, method=TWIN, datasets={"Set5": (0.25, 0.1), "Set14": (0.1, 0.06)})
    alien = replace(twin, network="abpn_x3", datasets={"Set5": (0.0, 0.0)})
    better = replace(MADE, method="better", datasets={"Set5": (0.2, 0.1), "Set14": (0.1, 0.06)})
    assert worse_than_twins([MADE, better, twin, alien]) == ["xlsr_x3 by cfqp"]
    assert worse_than_twins([MADE, better, alien]) == []


@pytest.mark.slow
def test_a_better_method_drops_less(picture_folder):
    dataset = Dataset("crops", tuple(sorted(picture_folder.iterdir())[:2]))
    settings = ExportSettings(sizes=(Size(16, 24),), pictures=12, tile_side=32)
    plain, better, twin = drops(
        "quicksrnet_s_x2",
        ["cfqp", "cfqp+equalize+adaround"],
        datasets=[dataset],
        settings=settings,
        twin=True,
    )
    assert [plain.method, better.method, twin.method] == ["cfqp", "cfqp+equalize+adaround", TWIN]
    assert twin.mean_rgb_db > better.mean_rgb_db
    assert 0.0 < better.mean_rgb_db < 0.7 * plain.mean_rgb_db
    assert better.fidelity_db > plain.fidelity_db + 2.0
    assert plain.sha256 != better.sha256


def test_a_wrong_method_is_known_before_any_work(monkeypatch):
    monkeypatch.setattr(
        "runtime_bench.comparing.drop.open_network", lambda *_, **__: pytest.fail("worked")
    )
    with pytest.raises(OptionError, match="found 'magic'"):
        list(drops("xlsr_x3", ["cfqp", "cfqp+magic"], datasets=[]))
