import dataclasses

import pytest
import tensorflow as tf

from export.exporting.settings import ExportSettings
from export.running.plan import Plan
from runtime_bench.evidence import methods_table
from runtime_bench.evidence.methods_report import (
    TRAINED,
    calibration_speedups,
    speedups_at_equal_quality,
)
from runtime_bench.evidence.methods_table import (
    Calibration,
    MethodsTable,
    Training,
    measure_methods,
)
from runtime_bench.measuring.quality import Dataset
from sr_models.ground.errors import OptionError, PictureError, UnknownModelError, WeightsError
from sr_models.ground.sizes import Size
from sr_models.importing.sources import SourceNetwork
from sr_models.networks.network import build_trunk
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from tests.families import random_weights


@pytest.fixture
def dataset(picture_folder):
    return Dataset("crops", tuple(sorted(picture_folder.iterdir())[:1]))


SMALL = Calibration(patches=4, side=24)


@pytest.mark.slow
def test_methods_are_simulated_exported_timed_and_trained(dataset, picture_folder, tmp_path):
    calibration = dataclasses.replace(SMALL, images=picture_folder)
    quick = {"steps": 2, "batch_size": 1, "patch_size": 12, "validation_interval": 1}
    stages, counts = [], []
    rows = measure_methods(
        "quicksrnet_s_x2",
        bits=[8],
        datasets=[dataset],
        methods=["minmax", "pams"],
        calibration=calibration,
        training=Training(picture_folder, quick),
        settings=ExportSettings(sizes=(Size(16, 24),), pictures=4, tile_side=24),
        plan=Plan(runs=5),
        on_stage=stages.append,
        run_dir=tmp_path / "run",
        on_progress=lambda *progress: counts.append(progress),
    )
    assert [row.method for row in rows] == ["float", "minmax", "pams", TRAINED]
    whole = rows[0].simulated_db["crops"]
    for row in rows[1:]:
        assert row.seconds > 0.0
        assert row.simulated_db["crops"] < whole + 0.2
        # A file is made of what has one: PAMS once it is trained.
        has_file = row.method != "pams"
        assert (row.exported_db is not None) == has_file, row
        assert (row.median_ms is not None) == (row.size_bytes is not None) == has_file
    # The file of a trained PAMS is its simulation, but for biases and codes on edges.
    trained = rows[-1]
    assert trained.exported_db["crops"] == pytest.approx(trained.simulated_db["crops"], abs=0.1)
    assert [step for _, step, _ in trained.curve] == [1, 2]
    both = {"minmax@8", "pams@8"}
    assert set(calibration_speedups(rows)) == set(speedups_at_equal_quality(rows)) == both
    assert any("training pams at 8 bits, 2 steps" in stage for stage in stages)
    assert counts[-2:] == [(1, 2), (2, 2)]
    # What a run left is gone on with; how long it took in all is not known then.
    again = MethodsTable(
        "quicksrnet_s_x2", datasets=[dataset], calibration=calibration, run_dir=tmp_path / "run"
    ).trained_row(8, Training(picture_folder, quick))
    assert again.simulated_db == trained.simulated_db
    assert (again.seconds, again.curve) == (None, ())


@pytest.mark.slow
def test_narrower_is_a_simulation_and_worse(dataset):
    rows = measure_methods(
        "quicksrnet_s_x2", bits=[4, 6], datasets=[dataset], methods=["minmax"], calibration=SMALL
    )
    assert rows[1].simulated_db["crops"] < rows[2].simulated_db["crops"]
    assert [(row.exported_as, row.exported_db, row.median_ms) for row in rows] == 3 * [
        (None, None, None)
    ]


def test_what_is_wrong_is_said_before_the_work(dataset, monkeypatch, tmp_path):
    monkeypatch.setattr(methods_table, "attach_tail", lambda *_, **__: pytest.fail("worked"))
    with pytest.raises(OptionError, match="found 'magic'"):
        measure_methods("xlsr_x3", bits=[8], datasets=[dataset], methods=["magic"])
    with pytest.raises(UnknownModelError, match="found 'xlsr_x9'"):
        measure_methods("xlsr_x9", bits=[8], datasets=[dataset])
    with pytest.raises(WeightsError, match="expected alphas beside the weights"):
        measure_methods(
            "xlsr_x3", bits=[8], datasets=[dataset], learned=[tmp_path / "a.weights.h5"]
        )
    with pytest.raises(PictureError, match="expected pictures"):
        measure_methods("xlsr_x3", bits=[8], datasets=[dataset], training=Training(tmp_path))
    with pytest.raises(OptionError, match="steps of at least 1"):
        measure_methods(
            "xlsr_x3",
            bits=[8],
            datasets=[dataset],
            training=Training(dataset.paths[0].parent, {"steps": 0}),
        )


def test_an_empty_folder_of_calibration_pictures_is_said(dataset, tmp_path):
    with pytest.raises(PictureError):
        MethodsTable(
            "xlsr_x3",
            datasets=[dataset],
            run_dir=tmp_path / "run",
            calibration=Calibration(images=tmp_path),
        )


@pytest.fixture
def tiny_network(monkeypatch):
    """In the place of shipped ones; compiling its few steps takes longer than running them."""
    config = {"scale": 3, "blocks": 1, "width": 4}
    trunk = random_weights(build_trunk(Preset("test", "edsr", config, "for tests")))
    model = attach_tail(trunk, "none", scale=3)
    opened = SourceNetwork("abpn_x3", 3, trunk)
    monkeypatch.setattr(methods_table, "open_network", lambda _: opened)
    tf.config.run_functions_eagerly(True)
    yield model
    tf.config.run_functions_eagerly(False)


def test_tuning_that_was_interrupted_is_gone_on_with(dataset, tmp_path, tiny_network):
    def interrupted(done, total):
        if done == 13:
            raise KeyboardInterrupt

    def table(**keywords):
        return MethodsTable(
            "abpn_x3", datasets=[dataset], run_dir=tmp_path, calibration=SMALL, **keywords
        )

    with pytest.raises(KeyboardInterrupt):
        table(on_progress=interrupted).calibrated_row("outlier-aware", 8)
    steps = []
    row = table(on_progress=lambda *at: steps.append(at)).calibrated_row("outlier-aware", 8)
    # Three pictures are tuned on, two at a step; the state of the last whole epoch stands.
    assert (steps[0], steps[-1]) == ((13, 20), (20, 20))
    assert row.seconds is None


def test_rows_that_were_measured_are_taken_from_the_folder(dataset, tmp_path, tiny_network):
    def table(**changes):
        calibration = dataclasses.replace(SMALL, **changes)
        keywords = {"run_dir": tmp_path, "calibration": calibration}
        return MethodsTable("abpn_x3", datasets=[dataset], **keywords)

    float_row, row = table().float_row(), table().calibrated_row("minmax", 4)
    assert (row.recipe_name, float_row.recipe_name) == ("default", None)
    again = table()
    again._scores = lambda model: pytest.fail("measured again")
    assert (again.float_row(), again.calibrated_row("minmax", 4)) == (float_row, row)
    # Other settings, and a damaged file, are measured.
    published = table(recipe="published").calibrated_row("minmax", 4)
    assert published.recipe_name == "published" and published.simulated_db != row.simulated_db
    for path in (tmp_path / "rows").glob("minmax-4-default-*"):
        path.write_text("{")
    measured = table().calibrated_row("minmax", 4)
    assert measured.simulated_db == row.simulated_db
    other = Calibration(patches=3, side=24)
    keywords = {"run_dir": tmp_path, "calibration": other}
    MethodsTable("abpn_x3", datasets=[dataset], **keywords).calibrated_row("minmax", 4)
    assert len(list((tmp_path / "rows").glob("minmax-4-default-*"))) == 2


def test_published_calibration_is_each_methods_own():
    published = Calibration(recipe="published")
    assert published.pictures("outlier-aware", scale=4) == (100, 96, 16)
    assert published.pictures("dfsq", scale=4) == (32, 48, 16)
    assert published.pictures("dfsq", scale=2) == (32, 96, 16)
    assert Calibration().pictures("outlier-aware", scale=4) == (32, 48, 8)
    assert Calibration(patches=4, side=24).pictures("dfsq", scale=4) == (4, 24, 8)
