import numpy as np

from sr_models.networks.network import build_trunk, load_trunk, named_weights, save_trunk
from sr_models.networks.tails import attach_tail
from sr_models.training.finetuning import Start
from sr_models.training.pupil import FloatPupil
from tests.families import random_weights


def test_the_float_network_takes_over_weights_and_is_shipped_in_its_deployed_form(
    tiny_preset, tmp_path
):
    trained = random_weights(build_trunk(tiny_preset))
    save_trunk(trained, tmp_path / "a.weights.h5")
    pupil = FloatPupil(tiny_preset)
    pupil.take_over(Start(tiny_preset, tmp_path / "a.weights.h5", "a"))
    pupil.begin(lambda step: None)
    deployed = pupil.deployed()
    picture = np.random.default_rng(0).random((1, 8, 9, 3), np.float32)
    expected = attach_tail(trained, "none", scale=3)(picture).numpy()
    np.testing.assert_allclose(deployed.model(picture).numpy(), expected, atol=1e-5)
    deployed.save(tmp_path / "b.weights.h5")
    saved = named_weights(load_trunk(tiny_preset, weights=tmp_path / "b.weights.h5"))
    for name, array in named_weights(trained).items():
        np.testing.assert_allclose(saved[name], array, atol=1e-6)
    loss = pupil.loss(picture, expected, picture_loss=lambda difference: abs(difference).numpy())
    assert loss.max() < 1e-4
    # A later one has the weights of then, though it is the same network.
    for variable in pupil.variables:
        variable.assign(0.9 * variable)
    later = pupil.deployed()
    assert later.model is deployed.model
    np.testing.assert_allclose(later.model(picture), pupil.model(picture), atol=1e-5)
    assert np.abs(later.model(picture) - expected).max() > 1e-3
