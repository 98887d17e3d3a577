"""Black and white of files found; the right picture follows from what each file is made to do."""

import json

import numpy as np
import pytest
import tf_keras

from export.exporting.conversion import convert_float
from export.running.interpreters import open_model
from export.running.pixel_range import find_pixels, pixels_of_content, pixels_of_data
from export.running.pixels import upscale
from sr_models.ground.bundled import bundled_pieces
from sr_models.ground.pixel_range import SIGNED, UNIT, PixelRange, parse_pixels
from sr_models.networks.network import load_trunk
from sr_models.networks.presets import get_preset
from sr_models.networks.tails import attach_tail
from sr_models.quantization.grids import Grid
from sr_models.tflite.files import read_model
from tests.enlarging_files import enlarging_file
from tests.metadata_files import normalizing, with_metadata
from tests.sr_models.networks.test_pixel_range import of_bytes
from tests.tiny_files import pixel_grid

BYTES = PixelRange(255.0, 255.0)
ANSWERS, ASSUMED = "by its answers to pictures", "assumed, for nothing tells"


def grid(dtype, scale, zero_point):
    return Grid(dtype, float(np.float32(scale)), zero_point)


@pytest.mark.parametrize(
    ("made", "pixels", "lifted"),
    [
        # Fed 0..1, a lift of 4 would be white and beyond.
        ({"lift": 4.0}, "0..255", 4),
        ({"lift": 4.0, "channels_first": True}, "0..255", 4),
        ({"lift": 4.0, "channels": 1}, "0..255", 4),
        ({"before": [("MUL", 1 / 255)], "after": [("MUL", 255.0)]}, "0..255", 0),
        ({"before": [("MUL", 1 / 255)]}, "0..255:0..1", 0),
        ({"before": [("DIV", 127.5), ("SUB", 1.0)]}, "0..255:-1..1", 0),
        ({"after": [("MUL", 255.0)]}, "0..1:0..255", 0),
        ({"low": "uint8", "after": [("MUL", 1 / 255)]}, "0..255:0..1", 0),
        ({"low": "uint8", "lift": 4.0}, "0..255", 4),
        ({"low": pixel_grid("uint8"), "inner": pixel_grid()}, "0..1", 0),
        ({"inner": pixel_grid(white=255.0), "lift": 4.0}, "0..255", 4),
        ({"inner": pixel_grid(), "lift": 4 / 255}, "0..1", 4),
        (
            {
                "low": grid("uint8", 2 / 255, 127),
                "high": grid("uint8", 2 / 255, 127),
                "inner": grid("int8", 2 / 255, -1),
            },
            "-1..1",
            0,
        ),
    ],
)
def test_every_interface_gives_the_picture_that_its_file_makes(made, pixels, lifted):
    file = read_model(enlarging_file(**made))
    found = find_pixels(file)
    assert found.range == parse_pixels(pixels) and not found.assumed
    picture = bundled_pieces()[0][:48, :64, : made.get("channels", 3)]
    expected = np.clip(picture.astype(int).repeat(2, 0).repeat(2, 1) + lifted, 0, 255)
    made = upscale(open_model(file), picture, pixels=found.range)
    for reading in (made.raw, made.dequantized):
        assert np.abs(reading - expected).max() <= 1


@pytest.mark.parametrize("name", ["xlsr_x3", "fsrcnn_x3", "espcn_x3"])
def test_float_files_of_trained_networks_are_told_apart_by_their_answers(name):
    trunk = load_trunk(get_preset(name))
    old = of_bytes(trunk, bounded=name.startswith("espcn"))
    for network, expected in ((trunk, UNIT), (old, BYTES)):
        model = attach_tail(network, "none", scale=3)
        found = find_pixels(read_model(convert_float(model, height=64, width=64)))
        assert found.range == expected
        assert (found.input_by, found.output_by) == (ANSWERS, ANSWERS)


def test_a_float_file_of_negative_values_is_told_by_its_answers():
    """y = 2 f((x + 1) / 2) - 1, folded by hand into the first and the last layer."""
    trunk = load_trunk(get_preset("espcn_x3"))
    first, *_, last = (x for x in trunk.layers if type(x) is tf_keras.layers.Conv2D)
    kernel, bias = first.get_weights()
    first.set_weights([kernel / 2, bias + kernel.sum(axis=(0, 1, 2)) / 2])
    kernel, bias = last.get_weights()
    last.set_weights([kernel * 2, bias * 2 - 1])
    model = attach_tail(trunk, "none", scale=3)
    found = find_pixels(read_model(convert_float(model, height=64, width=64)))
    assert found.range == SIGNED and found.input_by == ANSWERS


def test_where_nothing_tells_it_is_said():
    # A cosine gives no picture back, whatever it is fed.
    file = read_model(enlarging_file(after=[("COS", None)], lift=0.3))
    found = find_pixels(file)
    assert found.range == UNIT and found.assumed
    assert str(found).endswith(f"({ASSUMED}); --pixels overrules it")


def test_without_a_run_the_tables_alone_speak():
    file = read_model(enlarging_file(lift=4.0))
    found = find_pixels(file, run=False)
    assert found.range == UNIT and found.assumed
    assert find_pixels(file).range == BYTES


def test_the_user_knows_better():
    given = parse_pixels("0..255:-1..1")
    found = find_pixels(read_model(enlarging_file(lift=4.0)), given=given)
    assert found.range == given
    assert str(found) == "inputs of 0..255 and outputs of -1..1 (as given)"


def test_a_manifest_beside_the_file_is_believed_where_it_names_the_file(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(enlarging_file(lift=4.0))
    file = read_model(path)
    entry = {"sha256": file.sha256, "pixels": {"pixels_in": [0, 1], "pixels_out": [0, 1]}}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": [entry]}))
    found = find_pixels(file)
    assert found.range == UNIT and found.input_by == "by its manifest.json"
    others = [{"files": [{**entry, "sha256": "0"}]}, {"files": 3}, [1], {"files": [1, entry]}]
    for text in ("no JSON", *map(json.dumps, others)):
        (tmp_path / "manifest.json").write_text(text)
        assert find_pixels(file).range == BYTES


def test_a_child_process_tells_the_same():
    content = enlarging_file(before=[("MUL", 1 / 255)])
    told = pixels_of_data(json.loads(json.dumps(pixels_of_content(content))))
    assert told == find_pixels(read_model(content))


METADATA = "its metadata says"


@pytest.mark.parametrize(
    ("made", "metadata", "pixels", "by", "contradicted"),
    [
        # It repeats pixels whatever they stand for, so nothing else tells.
        ({}, (127.5, 127.5), "-1..1", "by its metadata", ""),
        ({}, (0.0, 255.0), "0..1", "by its metadata", ""),
        # A lift of 4 is beyond white in 0..1.
        ({"lift": 4.0}, (0.0, 255.0), "0..255", ANSWERS, f"{METADATA} 0..1 for the input"),
        ({"low": pixel_grid("uint8")}, (0.0, 255.0), "0..1", "by its grid and its metadata", ""),
        (
            {"low": pixel_grid("uint8"), "inner": pixel_grid()},
            (127.5, 127.5),
            "0..1",
            "by its grid",
            f"{METADATA} -1..1 for the input",
        ),
    ],
)
def test_metadata_tells_the_input_and_contradictions_are_named(
    made, metadata, pixels, by, contradicted
):
    content = with_metadata(enlarging_file(**made), normalizing(*([v] for v in metadata)))
    found = find_pixels(read_model(content))
    assert found.range.input_ends == parse_pixels(pixels).input_ends
    assert (found.input_by, found.contradiction) == (by, contradicted)
    assert str(found).endswith(f"; {contradicted}; --pixels overrules it") or not contradicted
    assert pixels_of_data(found.to_json()) == found
    assert find_pixels(read_model(content), given=BYTES).range == BYTES


def test_damaged_metadata_changes_nothing():
    content = enlarging_file(lift=4.0)
    spoilt = with_metadata(content, normalizing([0.0], [255.0])[:-9])
    assert find_pixels(read_model(spoilt)).to_json() == find_pixels(read_model(content)).to_json()
