import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from sr_models.ground.errors import CalibrationError, OptionError
from sr_models.networks.graph import points, watcher
from sr_models.networks.network import build_trunk, named_weights
from sr_models.networks.presets import Preset
from sr_models.networks.tails import attach_tail
from sr_models.published.pams import PamsConvolution
from sr_models.published.pams_student import alpha_range, pams_student, start_alphas
from sr_models.published.settings import PamsSettings
from sr_models.published.student import quantizer_layers
from tests.families import random_weights
from tests.networks import sharpening_trunk

BATCHES = np.random.default_rng(1).random((3, 2, 8, 10, 3), np.float32)


@pytest.fixture(scope="module")
def edsr():
    config = {"scale": 2, "blocks": 2, "width": 8}
    return random_weights(build_trunk(Preset("test", "edsr", config, "for tests")))


@pytest.fixture(scope="module")
def xlsr(tiny_preset):
    return random_weights(build_trunk(tiny_preset))


@pytest.mark.parametrize(
    "placement, expected",
    [
        (
            "integer",
            ["first", "block0_conv0", "block0_conv1", "block0_add", "block1_conv0", "block1_conv1"],
        ),
        (
            "figure",
            [
                "block0_conv0<first",
                "block0_conv1<block0_conv0",
                "block1_conv0<block0_add",
                "block1_conv1<block1_conv0",
            ],
        ),
        (
            "code",
            [
                "block0_conv1<block0_conv0",
                "block0_add<block0_conv1",
                "block0_add<first",
                "block1_conv1<block1_conv0",
                "block1_add<block1_conv1",
                "block1_add<block0_add",
            ],
        ),
    ],
)
def test_each_placement_quantizes_what_its_source_does(edsr, placement, expected):
    student = pams_student(edsr, PamsSettings(placement=placement))
    assert list(student.quantizers) == expected
    body = [f"block{b}_conv{k}" for b in range(2) for k in range(2)]
    assert list(quantizer_layers(student.model, PamsConvolution)) == body


def rdn_as_released(network, alphas, picture, *, bits):
    """The forward pass of the released model/rdn.py, its quantizers in NumPy."""
    q = 2 ** (bits - 1) - 1

    def act(x, name):
        a = alphas[name]
        return np.rint(np.clip(x, -a, a) * np.float32(q) / a) * a / np.float32(q)

    def convolution(x, name, quantized=True, relu=False):
        kernel, bias = network.get_layer(name).get_weights()
        if quantized:
            m = np.abs(kernel).max() + np.float32(1e-8)
            kernel = np.rint(kernel * np.float32(q) / m) * m / np.float32(q)
        y = tf.nn.conv2d(x, kernel, 1, "SAME").numpy() + bias
        return np.maximum(y, 0.0) if relu else y

    first = convolution(picture, "first", quantized=False)
    x, outputs = convolution(first, "second", quantized=False), []
    for b in range(2):
        entry = "second" if b == 0 else f"block{b - 1}_add"
        x = act(x, f"block{b}_add<{entry}")
        out = x
        for k in range(2):
            if k > 0:
                out = act(out, f"block{b}_concat{k - 1}")
            new = convolution(out, f"block{b}_conv{k}", relu=True)
            out = np.concatenate([out, new], axis=-1)
        x = convolution(act(out, f"block{b}_concat1"), f"block{b}_fusion") + x
        outputs.append(x)
    fused = act(np.concatenate(outputs, axis=-1), "fusion<concat")
    return convolution(convolution(fused, "fusion"), "body_last") + first


def test_rdn_is_quantized_where_the_released_code_does():
    config = {"scale": 2, "width": 6, "growth": 5, "blocks": 2, "layers": 2}
    network = random_weights(build_trunk(Preset("test", "rdn", config, "for tests")))
    student = pams_student(network, PamsSettings(4, placement="code"))
    start_alphas(student, network, pictures=BATCHES)
    alphas = {name: layer.alpha.numpy() for name, layer in student.quantizers.items()}
    assert len(alphas) == 2 * (2 + 1) + 1, "one more per block than convolutions, one for fusion"
    expected = rdn_as_released(network, alphas, BATCHES[0], bits=4)
    found = watcher(student.model, ["long_skip"])(BATCHES[0]).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())
    everywhere = pams_student(network, PamsSettings(4, placement="figure"))
    assert {"fusion<concat", "body_last<fusion"} <= set(everywhere.quantizers)


def test_a_tensor_reads_the_same_grid_everywhere_where_it_shall_fit_integers(edsr):
    student = pams_student(edsr, PamsSettings(placement="integer"))
    graph = points(student.model)
    assert set(graph["first_pams"].consumers) == {"block0_conv0", "block0_add", "long_skip"}
    code = points(pams_student(edsr, PamsSettings(placement="code")).model)
    # What users reported as "code does not match the paper".
    assert code["block0_conv0"].inputs == ["first"]


def test_with_edges_every_tensor_but_the_pixels_is_quantized(edsr):
    model = attach_tail(edsr, "relu", scale=2)
    student = pams_student(model, PamsSettings(4, edges=True))
    widths = {name: layer.bits for name, layer in student.quantizers.items()}
    inner = dict.fromkeys(
        ["first", "block0_conv0", "block0_conv1", "block0_add", "block1_conv0", "block1_conv1"], 4
    )
    assert widths == {**inner, "block1_add": 8, "body_last": 8, "long_skip": 8}
    kernels = quantizer_layers(student.model, PamsConvolution)
    assert kernels["first"].bits == kernels["last_relu"].bits == 8
    assert kernels["block0_conv0"].bits == 4


def test_networks_without_blocks_quantize_what_their_body_reads(xlsr):
    student = pams_student(xlsr, PamsSettings())
    assert list(student.quantizers) == [
        "first",
        "mix",
        "block0_conv3",
        "block0_conv1",
        "block1_conv3",
        "concat",
    ]
    everything = pams_student(xlsr, PamsSettings(edges=True))
    assert list(everything.quantizers) == [*student.quantizers, "merge"]


def test_the_student_starts_from_its_teacher_and_shares_nothing(edsr):
    before = named_weights(edsr)
    student = pams_student(edsr, PamsSettings(16))
    start_alphas(student, edsr, pictures=BATCHES)
    for layer in student.quantizers.values():
        layer.alpha.assign(3.0 * layer.alpha)  # No clip: the mean of maxima is not the maximum.
    picture = BATCHES[0]
    found, expected = student.model(picture).numpy(), edsr(picture).numpy()
    assert 10 * np.log10(np.var(expected) / np.mean((found - expected) ** 2)) > 60.0
    for variable in student.model.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    for name, array in named_weights(edsr).items():
        np.testing.assert_array_equal(array, before[name])


def test_fewer_bits_lose_more(edsr):
    picture, errors = BATCHES[0], []
    for bits in (8, 6, 4, 3):
        student = pams_student(edsr, PamsSettings(bits))
        start_alphas(student, edsr, pictures=BATCHES)
        errors.append(float(np.mean((student.model(picture) - edsr(picture)) ** 2)))
    assert errors == sorted(errors)
    assert errors[0] < errors[-1] / 20


def test_alphas_start_with_the_statistic_of_the_batches(edsr):
    student = pams_student(edsr, PamsSettings())
    first = tf_keras.Model(edsr.input, points(edsr)["first"].tensor)
    each = [np.abs(first(b).numpy()).max(axis=(1, 2, 3)).mean() for b in BATCHES]
    ema = 0.9997 * (0.9997 * each[0] + 0.0003 * each[1]) + 0.0003 * each[2]
    largest = max(np.abs(first(b).numpy()).max() for b in BATCHES)
    starts = {"mean": np.mean(each), "last": each[-1], "ema": ema, "largest": largest}
    for start, expected in starts.items():
        start_alphas(student, edsr, pictures=BATCHES, start=start)
        assert float(student.quantizers["first"].alpha) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(OptionError, match="mean, last, ema, largest, found 'first'"):
        start_alphas(student, edsr, pictures=BATCHES, start="first")
    with pytest.raises(CalibrationError, match="found none"):
        start_alphas(student, edsr, pictures=[])


def test_alphas_and_weights_train_apart(edsr):
    student = pams_student(edsr, PamsSettings(placement="figure"))
    assert len(student.alphas) == 4
    trained = {id(v) for v in student.model.trainable_variables}
    assert {id(v) for v in student.alphas + student.weights} == trained
    student.warm_up(True)
    student.model(BATCHES[0], training=True)
    assert all(float(alpha) != 10.0 for alpha in student.alphas)
    student.warm_up(False)
    assert all(float(q.warm_up) == 0.0 for q in student.quantizers.values())


def test_an_alpha_is_the_grid_of_an_int8_tensor():
    found = alpha_range(2.54, bits=8)
    assert (found.minimum, found.maximum, found.narrow, found.zero_point) == (-2.54, 2.54, True, 0)
    assert found.scale == pytest.approx(0.02)
    unsigned = alpha_range(2.55, bits=8, unsigned=True)
    assert (unsigned.minimum, unsigned.narrow, unsigned.zero_point) == (0.0, False, -128)
    assert unsigned.scale == pytest.approx(0.01)
    assert alpha_range(0.7, bits=4).to_json()["scale"] == pytest.approx(0.1)


def test_ranges_name_the_teachers_tensors(edsr):
    student = pams_student(edsr, PamsSettings(unsigned=True))
    student.quantizers["block0_conv0"].alpha.assign(0.5)
    ranges = student.ranges()
    assert ranges["block0_conv0"].minimum == 0.0, "a ReLU made it"
    assert ranges["block0_conv0"].scale == pytest.approx(0.5 / 255)
    assert ranges["block0_conv1"].narrow
    with pytest.raises(OptionError, match="expected the placement 'integer'"):
        pams_student(edsr, PamsSettings(placement="figure")).ranges()


@pytest.mark.parametrize(
    "values",
    [{"bits": 1}, {"edge_bits": 17}, {"placement": "paper"}, {"placement": "code", "edges": True}],
)
def test_settings_that_cannot_be_are_refused(values):
    with pytest.raises(OptionError):
        PamsSettings(**values)


def test_a_network_without_a_body_is_refused_unless_its_edges_count():
    with pytest.raises(OptionError, match="expected convolutions between"):
        pams_student(sharpening_trunk(), PamsSettings())
    assert pams_student(sharpening_trunk(), PamsSettings(edges=True)).quantizers == {}


def test_a_student_survives_being_saved(edsr, tmp_path):
    student = pams_student(edsr, PamsSettings(4))
    start_alphas(student, edsr, pictures=BATCHES)
    student.model.save(tmp_path / "student.keras")
    again = tf_keras.models.load_model(tmp_path / "student.keras")
    np.testing.assert_array_equal(again(BATCHES[0]), student.model(BATCHES[0]))
    assert PamsSettings(**student.settings.to_json()) == student.settings
