import numpy as np
import pytest
import tensorflow as tf

from export.inspecting.audit import audit_model
from export.running.interpreters import open_model
from runtime_bench.evidence.codebook import NORMALIZED, code_tables, codebook_layer, plain_layer
from runtime_bench.evidence.layer_file import Kernel
from sr_models.ground.errors import OptionError
from sr_models.published.subset_selection import select_subset
from sr_models.quantization.grids import Grid

OUTPUT = Grid("int8", 0.02, 0)


@pytest.fixture(scope="module")
def values():
    """Normalized channels with long tails, float (1, 10, 12, 4) in [-1, 1]."""
    x = np.random.default_rng(2).laplace(0.0, 0.1, (1, 10, 12, 4))
    return x / np.abs(x).max(axis=(0, 1, 2))


@pytest.fixture(scope="module")
def points(values):
    flat = values.reshape(-1, 4).T
    return np.array([select_subset(each, bits=4, restarts=1, seed=0).points for each in flat])


@pytest.fixture(scope="module")
def kernel():
    rng = np.random.default_rng(3)
    return Kernel(rng.normal(0, 0.3, (3, 3, 4, 5)).astype(np.float32), np.full(5, 0.1, np.float32))


def test_a_table_takes_each_code_to_its_nearest_point():
    tables = code_tables(np.array([[-1.0, 0.0, 0.5], [0.0, 0.25, 1.0]]))
    assert tables.shape == (2, 256)
    found = {code: tables[:, code + 128].tolist() for code in (-128, -64, -63, 0, 31, 32, 80, 127)}
    # Middles: -0.5 and 0.25; 0.125 and 0.625. In codes -63.5 and 31.75; 15.9 and 79.4.
    assert found == {
        -128: [-127, 0],
        -64: [-127, 0],
        -63: [0, 0],
        0: [0, 0],
        31: [0, 32],
        32: [64, 32],
        80: [64, 127],
        127: [64, 127],
    }


def test_points_of_the_codebook_stay_where_they_are(points):
    tables = code_tables(points)
    for table, each in zip(tables, points):
        codes = np.rint(each * 127).astype(int)
        # An int8 code of a point is no farther than 1/254 from it.
        assert (np.abs(table[codes + 128] / 127 - each) <= 1 / 254 + 1e-9).all()
        assert len(np.unique(table)) <= 16
        assert (np.diff(table.astype(int)) >= 0).all(), "monotone"


def test_the_file_looks_up_and_convolves(kernel, points, values):
    content = codebook_layer(kernel, points, height=10, width=12, output=OUTPUT)
    audit = audit_model(content)
    assert audit.ops == {"CAST": 1, "ADD": 1, "GATHER": 1, "CONV_2D": 1}
    assert audit.float_tensors == 0
    codes = np.rint(values * 127).astype(np.int8)
    tables = code_tables(points)
    looked_up = np.stack([tables[c][codes[..., c].astype(int) + 128] for c in range(4)], axis=-1)
    y = tf.nn.conv2d(looked_up / 127.0, kernel.on_grid, 1, "SAME").numpy() + kernel.bias
    expected = np.clip(np.rint(y / OUTPUT.scale), -128, 127)
    found = open_model(content, delegate="builtin").run(codes).astype(float)
    assert np.abs(found - expected).max() <= 1
    assert (found != expected).mean() < 0.02
    assert expected.std() > 10.0


def test_a_uniform_grid_of_eight_bits_is_nearer_than_sixteen_points(kernel, points, values):
    y = tf.nn.conv2d(values, kernel.on_grid, 1, "SAME").numpy() + kernel.bias
    codes = np.rint(values / NORMALIZED.scale).astype(np.int8)
    files = (
        plain_layer(kernel, height=10, width=12, output=OUTPUT),
        codebook_layer(kernel, points, height=10, width=12, output=OUTPUT),
    )
    uniform, looked_up = (
        np.mean((open_model(file, delegate="builtin").run(codes) * OUTPUT.scale - y) ** 2)
        for file in files
    )
    assert uniform < 0.5 * looked_up


def test_what_cannot_be_is_said(kernel, points):
    with pytest.raises(OptionError, match="for each of 4 input channels, found 3"):
        codebook_layer(kernel, points[:3], height=4, width=4, output=OUTPUT)
    with pytest.raises(OptionError, match=r"in \[-1, 1\]"):
        code_tables(2.0 * np.ones((3, 4)))
