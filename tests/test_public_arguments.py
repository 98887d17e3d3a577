"""Every name that the four packages give to users, called with what cannot be used.

Whatever is wrong is said in the three parts of an `SrError`, and never as a traceback from inside.
"""

from types import SimpleNamespace

import numpy as np
import pytest

import export
import representative_data
import runtime_bench
import sr_models
from sr_models.ground.errors import SrError
from sr_models.networks.layers import DepthToSpace
from tests.strangers import layers
from tests.tiny_files import clipped_file

PICTURE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
NOTHING = (None, -1, 1.5, float("nan"), [], {}, b"", object())
PICTURES = (
    None,
    [],
    np.zeros((0, 0, 3), np.uint8),
    np.zeros((4, 4), np.uint8),
    np.zeros((1, 16, 16, 3), np.uint8),
    np.zeros((16, 16, 4), np.uint8),
    np.zeros((16, 16, 3), np.int64),
    np.full((16, 16, 3), np.nan),
    "photograph.png",
)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Arguments that can be used, for all but one at a time."""
    folder = tmp_path_factory.mktemp("given")
    path = folder / "clipped.tflite"
    path.write_bytes(clipped_file("RELU"))
    import tf_keras

    x = tf_keras.Input((None, None, 3))
    trunk = tf_keras.Model(x, layers.Conv2D(12, 1)(x))
    return SimpleNamespace(
        folder=folder,
        file=path,
        trunk=trunk,
        model=sr_models.attach_tail(trunk, "relu", scale=2),
        whole=tf_keras.Model(x, DepthToSpace(2)(trunk(x))),
        tiles=representative_data.tiles_from_arrays([PICTURE], count=1, side=16),
        runner=export.open_model(path),
    )


CALLS = {
    "get_preset": lambda g, bad: sr_models.get_preset(bad),
    "list_presets": lambda g, bad: sr_models.list_presets(bad),
    "load_model": lambda g, bad: sr_models.load_model(bad),
    "load_model tail": lambda g, bad: sr_models.load_model("xlsr_x3", tail=bad),
    "load_image": lambda g, bad: sr_models.load_image(bad),
    "attach_tail": lambda g, bad: sr_models.attach_tail(bad, "relu", scale=2),
    "attach_tail tail": lambda g, bad: sr_models.attach_tail(g.trunk, bad, scale=2),
    "attach_tail scale": lambda g, bad: sr_models.attach_tail(g.trunk, "relu", scale=bad),
    "at_size": lambda g, bad: sr_models.at_size(bad, height=8, width=8),
    "evaluate_model": lambda g, bad: sr_models.evaluate_model(bad, g.folder, name="n", scale=2),
    "evaluate_model folder": lambda g, bad: sr_models.evaluate_model(
        g.model, bad, name="n", scale=2
    ),
    "open_network": lambda g, bad: sr_models.open_network(bad),
    "open_network pictures": lambda g, bad: sr_models.open_network(g.whole, pictures=bad),
    "open_network pictures of": lambda g, bad: sr_models.open_network(
        g.whole, pictures=lambda: bad
    ),
    "Taming method": lambda g, bad: representative_data.Taming(method=bad),
    "Taming max_passes": lambda g, bad: representative_data.Taming(max_passes=bad),
    "CfqpSettings": lambda g, bad: representative_data.CfqpSettings(taming=bad),
    "load_dataset": lambda g, bad: representative_data.load_dataset(bad),
    "load_tiles": lambda g, bad: representative_data.load_tiles(bad, scale=2),
    "load_tiles scale": lambda g, bad: representative_data.load_tiles(g.folder, scale=bad),
    "tiles_from_arrays": lambda g, bad: representative_data.tiles_from_arrays(bad),
    "build_cfqp_dataset": lambda g, bad: representative_data.build_cfqp_dataset(
        bad, g.tiles, network="n", scale=2
    ),
    "build_cfqp_dataset tiles": lambda g, bad: representative_data.build_cfqp_dataset(
        g.model, bad, network="n", scale=2
    ),
    "build_natural_dataset tiles": lambda g, bad: representative_data.build_natural_dataset(
        g.model, bad, network="n", scale=2
    ),
    "shape": lambda g, bad: representative_data.shape(bad),
    "shape settings": lambda g, bad: representative_data.shape("xlsr_x3", settings=bad),
    "Size": lambda g, bad: export.Size(bad, 8),
    "audit_model": lambda g, bad: export.audit_model(bad),
    "inspect_model": lambda g, bad: export.inspect_model(bad),
    "open_model": lambda g, bad: export.open_model(bad),
    "open_model delegate": lambda g, bad: export.open_model(g.file, delegate=bad),
    "open_model threads": lambda g, bad: export.open_model(g.file, threads=bad),
    "strip_model": lambda g, bad: export.strip_model(bad),
    "verify_bundle": lambda g, bad: export.verify_bundle(bad),
    "export": lambda g, bad: export.export(bad),
    "export settings": lambda g, bad: export.export(g.whole, settings=bad),
    "export sizes": lambda g, bad: export.export(g.whole, sizes=[bad]),
    "export_bundle": lambda g, bad: export.export_bundle(g.whole, out=bad),
    "upscale": lambda g, bad: export.upscale(bad, PICTURE),
    "Plan runs": lambda g, bad: runtime_bench.Plan(runs=bad),
    "Plan seed": lambda g, bad: runtime_bench.Plan(seed=bad),
    "measure_latency": lambda g, bad: runtime_bench.measure_latency(bad),
    "measure_latency of": lambda g, bad: runtime_bench.measure_latency([bad]),
    "measure_file": lambda g, bad: runtime_bench.measure_file(bad, None),
    "compare_files": lambda g, bad: runtime_bench.compare_files(bad, g.file),
    "assert_no_regression": lambda g, bad: runtime_bench.assert_no_regression(
        bad, g.file, no_clip_ops=True
    ),
    "upscale_pictures": lambda g, bad: runtime_bench.upscale_pictures(bad, [("a", "b.png")]),
}
MAY_BE_NONE = ("Size",)


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_argument_is_said_in_three_parts(name, given):
    for bad in NOTHING:
        with pytest.raises(SrError) as error:
            CALLS[name](given, bad)
            pytest.fail(f"took {bad!r}")
        message = str(error.value)
        assert message.startswith("expected ") and ", found " in message, message
        assert "\n" not in message


CHOICES = {
    "io": NOTHING,
    "sizes": (None, -1, ["360x640"], "360x640"),
    "method": (-1, 1.5, [], object()),
    "tail": NOTHING,
    "precision": NOTHING,
    "kept": (None, -1, "conv", [None]),
    "most_sensitive": (None, -1, 1.5, "2"),
    "calibrator": NOTHING,
    "pictures": NOTHING,
    "tile_side": NOTHING,
    "taming": NOTHING,
    "max_passes": NOTHING,
    "anchors": (None, 1, "yes"),
    "seed": NOTHING,
    "minimum_fidelity_db": (None, -1, float("nan"), "30"),
    "max_drop_db": (-1, float("nan"), "0.05", []),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_of_an_export_that_cannot_be_is_said(choice):
    for bad in CHOICES[choice]:
        with pytest.raises(SrError, match=r"expected .*found"):
            export.ExportSettings(**{choice: bad})
            pytest.fail(f"took {bad!r}")


@pytest.mark.parametrize("bad", PICTURES, ids=lambda bad: str(getattr(bad, "shape", bad)))
def test_what_is_no_picture_is_said(bad, given):
    calls = (
        lambda: export.upscale(given.runner, bad),
        lambda: representative_data.tiles_from_arrays([bad]),
        lambda: sr_models.open_network(given.whole, pictures=lambda: [bad]),
        lambda: sr_models.metrics.luma_pixels(bad),
        lambda: sr_models.metrics.measure_quality(bad, PICTURE, scale=2),
        lambda: (
            runtime_bench.measure_latency([given.file], picture=bad)
            if bad is not None
            else export.upscale(given.runner, bad)
        ),
    )
    for call in calls:
        with pytest.raises(SrError, match=r"expected .*found"):
            call()
            pytest.fail("took it")


@pytest.mark.parametrize(
    ("gate", "bad"), [("max_psnr_drop_db", "0.1"), ("no_clip_ops", 1), ("max_partitions", 1.5)]
)
def test_a_gate_s_limit_is_of_its_kind(gate, bad):
    with pytest.raises(SrError, match=f"as {gate}, found"):
        runtime_bench.Gates(**{gate: bad})
