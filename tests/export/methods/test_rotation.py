import numpy as np
import pytest
import tf_keras
from hypothesis import given, settings
from hypothesis import strategies as st

from export.methods.rotate import basis_cost, find_basis, find_streams, rotate, rotated
from export.quantizing.quantized_network import observe
from sr_models.ground.errors import NetworkError
from sr_models.quantization.fake_quantization import write_ranges
from tests.networks import conv


def test_a_stream_is_what_sums_tie_together(residual):
    (stream,) = find_streams(residual)
    assert stream.tensors == ("head", "outer0", "sum0", "outer1", "sum1", "long")
    assert stream.producers == ("head", "outer0", "outer1")
    assert stream.readers == ("inner0", "inner1", "last")
    assert stream.width == 4


def test_what_is_activated_or_joined_has_no_free_basis(network):
    tensors = {name for stream in find_streams(network) for name in stream.tensors}
    assert "concat" not in tensors
    assert not {name for name in tensors if "relu" in name}


def test_a_grouped_reader_holds_the_basis():
    picture = tf_keras.Input((8, 8, 3), name="input")
    y = conv(4, "apart", groups=2)(conv(4, "one")(picture))
    assert not find_streams(tf_keras.Model(picture, conv(3, "two")(y)))


@pytest.mark.parametrize("which", ["network", "residual"])
def test_the_function_stays_the_same(which, request, evidence):
    """The border too: nothing is shifted."""
    model, x = request.getfixturevalue(which), evidence.stack(2)
    np.testing.assert_allclose(rotate(model, x, steps=40)(x), model(x), atol=5e-5)


@settings(max_examples=5)
@given(seed=st.integers(0, 2**16))
def test_a_basis_never_costs_more_and_keeps_the_width(seed):
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=(300, 5)) * rng.uniform(0.1, 3.0, 5) for _ in range(2)]
    roots = [rng.normal(size=(5, 5)) for _ in range(2)]
    joints = [root @ root.T for root in roots]
    basis = find_basis(values, joints, steps=60)
    assert basis_cost(basis, values, joints) <= basis_cost(np.eye(5), values, joints)

    def spans(change):
        changed = [v @ change.T for v in values]
        return sum(max(v.max(), 0.0) - min(v.min(), 0.0) for v in changed)

    assert spans(basis) == pytest.approx(spans(np.eye(5)), rel=1e-6)


def test_one_channel_that_carries_all_is_spread_over_the_others():
    """With n channels, n roundings of the same value average out: the best is 1/n of the cost.

    One channel of uniform values in -1..1 is all that the output depends on; the others are noise
    a thousand times smaller that nothing reads. Written into all of n channels, each of them
    counts with 1/n, and the sum of n (1/n)^2 is 1/n.
    """
    rng = np.random.default_rng(0)
    values = rng.uniform(-1.0, 1.0, (2000, 8)) * np.array([1.0, *[1e-3] * 7])
    joint = np.diag([1.0, *[1e-6] * 7])
    before = basis_cost(np.eye(8), [values], [joint])
    assert before == pytest.approx(4.0, rel=0.01)
    basis = find_basis([values], [joint], steps=400)
    assert basis_cost(basis, [values], [joint]) < 0.25 * before
    # Noise of one rounding step in each channel, seen by the one reader.
    changed = values @ basis.T
    step = (changed.max() - changed.min()) / 255.0
    stored = np.rint(changed / step) * step
    error = np.square(stored @ np.linalg.inv(basis).T[:, 0] - values[:, 0]).mean()
    assert error < 0.35 * (2.0 / 255.0) ** 2 / 12.0


def test_it_lowers_the_error_of_activations(residual, evidence):
    x = evidence.stack(8)
    expected = np.clip(residual(x).numpy(), 0.0, 1.0)
    plain = observe(residual, evidence)
    errors = [
        np.square(np.clip(write_ranges(q.model, q.ranges)(x), 0.0, 1.0) - expected).mean()
        for q in (plain, rotated(plain, evidence))
    ]
    assert errors[1] < 0.8 * errors[0]


def test_a_network_without_a_stream_is_returned_as_it_is(evidence):
    picture = tf_keras.Input((None, None, 3), name="input")
    model = tf_keras.Model(picture, conv(3, "two")(conv(4, "one", activation="relu")(picture)))
    assert rotate(model, evidence.stack(2)) is model
    plain = observe(model, evidence)
    assert rotated(plain, evidence) is plain


def test_a_layer_called_twice_is_refused(evidence):
    picture = tf_keras.Input((None, None, 3), name="input")
    again = conv(3, "again")
    with pytest.raises(NetworkError, match="found again called 2 times"):
        rotate(tf_keras.Model(picture, again(again(picture))), evidence.stack(1))
