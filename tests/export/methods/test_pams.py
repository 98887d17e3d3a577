import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from export.exporting.conversion import convert_with_ranges
from export.inspecting.audit import audit_model, missing_ranges
from export.methods.pams import learned_ranges, require_integer, with_pams_weights
from export.quantizing.quantized_network import Evidence, QuantizedNetwork, clone
from export.quantizing.recipe import parse_recipe
from export.running.interpreters import open_model
from representative_data.dataset import RepresentativeDataset
from sr_models.ground.errors import CalibrationError, OptionError, WeightsError
from sr_models.networks.graph import points
from sr_models.networks.network import build_trunk, save_trunk
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from sr_models.published.pams_file import learned_by, load_learned, save_learned
from sr_models.published.pams_student import PamsStudent, pams_student, start_alphas
from sr_models.published.settings import PamsSettings
from sr_models.quantization.integer_network import simulate_builtin
from sr_models.tflite.flatbuffer import read_graph
from tests.families import SMALL, random_weights
from tests.networks import sharpening_network
from tests.tensor_codes import apart, steps_apart

PRESET = Preset("tiny_edsr_x2", "edsr", {"scale": 2, "width": 8, "blocks": 2}, "for tests")


@pytest.fixture(scope="module")
def trunk():
    return random_weights(build_trunk(PRESET))


@pytest.fixture(scope="module")
def model(trunk):
    return attach_tail(trunk, "relu", scale=2)


def learned(trunk, folder, pictures, **settings):
    """Weights with a file of alphas beside them, as training leaves them, and the simulation."""
    network = attach_tail(trunk, "none", scale=2)
    student = pams_student(network, PamsSettings(**{"edges": True, **settings}))
    batch = np.stack(pictures).astype(np.float32) / 255.0
    start_alphas(student, network, pictures=[batch])
    path = folder / "tiny.weights.h5"
    save_trunk(trunk, path)
    save_learned(learned_by(student, teacher="itself"), path)
    return path, student


def exported(model, weights, pictures):
    dataset = RepresentativeDataset(pictures, [], "natural", "test", "", 2)
    evidence = Evidence(dataset, pictures, weights=weights)
    network = parse_recipe("pams").apply(model, evidence)
    content = convert_with_ranges(
        network.model, network.ranges, sample=pictures[0], height=32, width=32
    )
    return content, network


@dataclasses.dataclass(frozen=True)
class Exported:
    """A student, and its file with the network that it was written from."""

    student: PamsStudent
    content: bytes
    network: QuantizedNetwork


@pytest.fixture(scope="module", params=[False, True], ids=["published", "unsigned, per channel"])
def made(request, trunk, model, pictures, tmp_path_factory):
    settings = {"unsigned": request.param, "per_channel": request.param}
    weights, student = learned(trunk, tmp_path_factory.mktemp("pams"), pictures, **settings)
    return Exported(student, *exported(model, weights, pictures))


def test_alphas_stand_in_the_file_exactly(made):
    student, content, ranges = made.student, made.content, made.network.ranges
    ours = student.settings.unsigned
    audit = audit_model(content)
    assert audit.full_integer and audit.pixel_contract.holds
    assert missing_ranges(content, ranges) == []
    graph = read_graph(content)
    written = {op.outputs[0] for op in graph.operators if op.name in ("CONV_2D", "ADD")}
    grids = [
        (graph.tensors[i].scale, graph.tensors[i].zero_point)
        for i in written
        if graph.tensors[i].zero_point != -128 or ours
    ]
    for name, layer in student.quantizers.items():
        alpha = np.float32(layer.alpha.numpy())
        steps, zero = (255, -128) if layer.unsigned else (127, 0)
        near = min(grids, key=lambda grid: abs(grid[0] - alpha / steps) + (grid[1] != zero))
        assert near == (pytest.approx(float(alpha) / steps, rel=1e-6), zero), name
    # 3 tensors of each block, the head, the last of the body, the long skip; all else is pixels.
    assert len(student.quantizers) == 9
    assert any(layer.unsigned for layer in student.quantizers.values()) == ours


def with_whole_biases(trunk, grids, *, per_channel):
    """The trunk with biases that are whole numbers of steps: of what is read times the kernel's."""
    copy, graph = clone(trunk), points(trunk)
    for layer in copy.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            largest = np.abs(kernel).max(axis=(0, 1, 2) if per_channel else None)
            read = graph[layer.name].inputs[0]
            step = largest / 127 * (grids[read].scale if read in grids else 1 / 255)
            layer.set_weights([kernel, np.rint(bias / step) * step])
    return copy


@pytest.mark.parametrize("delegate", ["builtin", "xnnpack"])
def test_no_tensor_is_more_than_one_code_from_the_simulation(delegate, made, trunk, pictures):
    """Given the same codes to read; on both kernel paths, at the border and inside of it.

    What differs: biases are whole numbers in the file, ties are rounded otherwise, and a code -128
    may stand where the simulation clips at -127.
    """
    network = attach_tail(trunk, "none", scale=2)
    found = steps_apart(made.student, made.content, pictures, delegate=delegate, network=network)
    assert len(found) == 10, "nine tensors and the pixels"
    for name, places in found.items():
        for place, difference in places.items():
            assert difference.max() <= 1, (name, place)
            # Measured: 0.3 % of the codes, 0.9 % of the pixels, most of them by builtin kernels.
            assert np.mean(difference > 0) < (0.02 if name == "pixels" else 0.01), (name, place)


def test_the_integer_simulation_is_the_builtin_file_code_for_code(made, pictures):
    """Whole pictures, whose codes no float simulation can have: kernel paths differ themselves."""
    network, stack = made.network, np.stack(pictures)
    expected = simulate_builtin(network.model, network.ranges)(stack)
    runner = open_model(made.content, delegate="builtin")
    found = np.concatenate([runner.run(picture[None]) for picture in pictures])
    assert found.std() > 20.0, "a network with something to compute"
    for difference in apart(found, expected, border=2).values():
        assert not difference.any()


@pytest.mark.parametrize("ours", [False, True], ids=["published", "unsigned, per channel"])
def test_what_differs_on_xnnpack_is_biases_and_one_code(ours, trunk, pictures, tmp_path):
    """Where biases are whole and no alpha clips, nothing does but a tie of single precision."""
    settings = {"unsigned": ours, "per_channel": ours}
    _, student = learned(trunk, tmp_path, pictures, **settings)
    grids = learned_by(student, teacher="").tensors
    alphas = {name: 1.5 * grid.maximum for name, grid in grids.items()}
    wider = {name: dataclasses.replace(g, scale=1.5 * g.scale) for name, g in grids.items()}
    whole = with_whole_biases(trunk, wider, per_channel=ours)
    weights, student = learned(whole, tmp_path, pictures, **settings)
    for name, layer in student.quantizers.items():
        layer.alpha.assign(alphas[name])
    save_learned(learned_by(student, teacher="itself"), weights)
    content, _ = exported(attach_tail(whole, "relu", scale=2), weights, pictures)
    network = attach_tail(whole, "none", scale=2)
    found = steps_apart(student, content, pictures, delegate="xnnpack", network=network)
    differences = np.concatenate([d for places in found.values() for d in places.values()])
    assert differences.max() <= 1
    assert np.count_nonzero(differences) <= 5, f"of {len(differences)}"
    # Such a code moves others on its way to the pixels, some by more than one.
    runner, away = open_model(content, delegate="xnnpack"), []
    for picture in pictures:
        expected = student.model(picture[None] / np.float32(255.0), training=False).numpy()
        codes = np.rint(255.0 * np.clip(expected, 0.0, 1.0)).astype(int)
        assert codes.std() > 20.0, "a network with something to compute"
        away.append(np.abs(runner.run(picture[None]).astype(int) - codes))
    assert np.mean(np.array(away) > 0) <= 0.005
    assert np.mean(np.array(away) > 1) <= 0.001


def test_weights_lie_on_one_grid_for_all_channels(model):
    made = with_pams_weights(model, per_channel=False)
    layer = made.get_layer("block0_conv0")
    kernel = model.get_layer("block0_conv0").get_weights()[0]
    largest = np.abs(kernel).max()
    assert layer.scales == pytest.approx([largest / 127] * 8, rel=1e-6)
    codes = layer.get_weights()[0] / np.float32(layer.scales[0])
    np.testing.assert_allclose(codes, np.rint(kernel * 127 / largest), atol=1e-3)
    picture = tf.random.stateless_uniform((1, 8, 8, 3), (1, 2))
    np.testing.assert_allclose(made(picture), model(picture), atol=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bits": 4}, "found 4; at that width PAMS is simulated only"),
        ({"edge_bits": 6}, "found 6"),
        ({"bits": 16}, "found 8|found 16"),
        ({"edges": False}, "without --float-edges"),
        ({"edges": False, "placement": "code"}, "'code' with float edges"),
    ],
)
def test_a_simulation_only_is_no_file(settings, message, trunk, pictures, tmp_path):
    weights, _ = learned(trunk, tmp_path, pictures, **settings)
    with pytest.raises(OptionError, match=message):
        require_integer(load_learned(weights))


def test_what_is_missing_is_said(model, pictures, tmp_path, trunk):
    with pytest.raises(CalibrationError, match=r"--quantize pams --data DIR, and give them"):
        exported(model, None, pictures)
    path = tmp_path / "plain.weights.h5"
    save_trunk(trunk, path)
    with pytest.raises(WeightsError, match=r"found no file .*plain.quantization.json"):
        exported(model, path, pictures)


def test_alphas_of_another_network_are_refused(trunk, pictures, tmp_path):
    weights, _ = learned(trunk, tmp_path, pictures)
    with pytest.raises(CalibrationError, match="found some of block0_add"):
        learned_ranges(sharpening_network(), load_learned(weights))


def test_the_grid_of_a_tanh_stays_that_of_its_operator(pictures, tmp_path):
    config = {"scale": 2, "first_width": 8, "second_width": 6}
    trunk = random_weights(build_trunk(Preset("tiny_espcn_x2", "espcn", config, "for tests")))
    weights, student = learned(trunk, tmp_path, pictures)
    content, network = exported(attach_tail(trunk, "relu", scale=2), weights, pictures)
    assert audit_model(content).full_integer
    assert missing_ranges(content, network.ranges) == []
    # What the body reads has an alpha, which 8 bits in a file do without.
    assert "first_tanh" in student.quantizers and "first_tanh" not in network.ranges
    scales = [tensor.scale for tensor in read_graph(content).tensors]
    assert scales.count(1 / 128) == 2, "both of the network's tanh"


def test_tensors_that_a_concatenation_joins_have_no_grid_of_their_own(pictures, tmp_path):
    trunk = random_weights(build_trunk(Preset("tiny_rdn", "rdn", SMALL["rdn"], "for tests")))
    weights, _ = learned(trunk, tmp_path, pictures)
    with pytest.raises(OptionError, match="which a concatenation joins on one"):
        learned_ranges(attach_tail(trunk, "relu", scale=2), load_learned(weights))
