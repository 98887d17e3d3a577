import json

import pytest

from export.exporting.settings import ExportSettings
from export.running.plan import Plan
from runtime_bench.evidence.precision import compare_precisions, precision_choices, precision_rows
from runtime_bench.measuring.quality import Dataset
from sr_models.ground.errors import OptionError
from sr_models.ground.sizes import Size


def test_int8_comes_first_for_all_else_is_held_against_it():
    choices = precision_choices(size=Size(16, 24), method="cfqp", most_sensitive=2)
    assert list(choices) == ["int8", "mixed, 2 float32", "mixed, 2 int16x8", "int16x8", "float32"]
    assert {c.quantizing.precision for c in choices.values()} == {
        "int8",
        "mixed",
        "int16x8",
        "float32",
    }
    assert all(c.files.sizes == (Size(16, 24),) for c in choices.values())
    assert all(c.quantizing.recipe == "cfqp" for c in choices.values())


def test_mixed_files_need_a_layer():
    with pytest.raises(OptionError, match="found none"):
        precision_choices(size=Size(16, 24), method="cfqp", most_sensitive=0)


@pytest.mark.slow
def test_precision_buys_fidelity_and_the_table_says_what_it_costs(picture_folder):
    dataset = Dataset("crops", tuple(sorted(picture_folder.iterdir())[:2]))
    small = {"sizes": (Size(16, 24),), "pictures": 12, "tile_side": 32, "method": "cfqp"}
    choices = {
        "int8": ExportSettings(**small),
        "mixed": ExportSettings(precision="mixed", kept=("block1",), **small),
        "float32": ExportSettings(precision="float32", **small),
    }
    plan = Plan(runs=5, warmup=1)
    results = compare_precisions("quicksrnet_s_x2", choices, datasets=[dataset], plan=plan)
    int8, mixed, whole = results
    assert int8.layers == {} and mixed.layers == {"block1": "float32"}
    assert int8.drop.fidelity_db < mixed.drop.fidelity_db < whole.drop.fidelity_db
    assert abs(whole.drop.mean_rgb_db) < 0.005
    assert int8.latency.size_bytes < mixed.latency.size_bytes < whole.latency.size_bytes
    columns, rows = precision_rows(results)
    assert len({len(columns), *map(len, rows)}) == 1
    cells = [dict(zip(columns, row)) for row in rows]
    assert cells[0]["gain dB"] == "+0.000"
    assert float(cells[2]["gain dB"]) == pytest.approx(int8.drop.mean_rgb_db, abs=0.006)
    assert cells[0]["cost ms"] == "+0.0"
    (row,) = [json.loads(json.dumps(r.to_json())) for r in results if r.name == "mixed"]
    assert row["precision"] == "mixed" and row["latency"]["runs"] == 5
