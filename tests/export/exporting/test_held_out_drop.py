import numpy as np
import pytest
import tf_keras
from PIL import Image

from export.exporting.judging import MAX_SIDE, DropMeter, HeldOutDrop
from sr_models.ground.pictures import resize_bicubic
from sr_models.networks.layers import DepthToSpace, SpaceToDepth


def bicubic(low):
    return resize_bicubic(low, height=low.shape[0] * 3, width=low.shape[1] * 3)


def noisy(low, *, sigma=4.0):
    noise = np.random.default_rng(0).normal(0.0, sigma, (low.shape[0] * 3, low.shape[1] * 3, 3))
    return np.clip(np.rint(bicubic(low) + noise), 0, 255).astype(np.uint8)


@pytest.fixture
def paths(picture_folder):
    return sorted(picture_folder.iterdir())[:2]


def test_the_reference_itself_loses_nothing(paths):
    found = DropMeter(bicubic, paths, scale=3)(bicubic)
    assert (found.pictures, found.psnr_rgb_drop_db, found.psnr_y_drop_db) == (2, 0.0, 0.0)


def test_noise_costs_what_its_variance_adds(paths):
    """Independent noise adds its variance to the squared error that is there."""
    meter = DropMeter(bicubic, paths, scale=3)
    expected = np.mean(
        [10 * np.log10(1 + 4.0**2 / (255.0**2 / 10 ** (rgb / 10))) for rgb, _ in meter.expected]
    )
    assert meter(noisy).psnr_rgb_drop_db == pytest.approx(expected, rel=0.1)


def test_the_worse_of_rgb_and_luma_counts():
    assert HeldOutDrop(3, 0.1, 0.2).worst_db == 0.2
    assert HeldOutDrop(3, 0.3, 0.2).worst_db == 0.3


def test_large_pictures_are_cut_to_their_middle(tmp_path):
    path = tmp_path / "large.png"
    Image.fromarray(np.zeros((MAX_SIDE + 300, 120, 3), np.uint8)).save(path)
    ((low, high),) = DropMeter(bicubic, [path], scale=3).pairs
    assert high.shape == (MAX_SIDE, 120, 3) and low.shape == (MAX_SIDE // 3, 40, 3)


def test_of_luma_there_is_only_luma(paths):
    """Of one channel the errors are what they are: no colour, no weights."""
    meter = DropMeter(bicubic, paths, scale=3, channels=1)
    assert {low.shape[2] for low, _ in meter.pairs} == {1}
    found = meter(lambda low: bicubic(low) // 2)
    assert found.psnr_rgb_drop_db is None and found.worst_db == found.psnr_y_drop_db > 3.0
    expected = np.mean(
        [
            20 * np.log10(rms(bicubic(low) // 2, high) / rms(bicubic(low), high))
            for low, high in meter.pairs
        ]
    )
    assert found.psnr_y_drop_db == pytest.approx(expected)


def rms(found, high):
    inside = (slice(3, -3), slice(3, -3))
    return np.sqrt(np.mean((found[inside].astype(float) - high[inside]) ** 2))


def test_pictures_are_cut_to_what_a_network_that_packs_pixels_takes(tmp_path):
    """Two blocks of 2: an input of 31x22 becomes one of 28x20."""
    path = tmp_path / "odd.png"
    noise = np.random.default_rng(0).integers(0, 256, (62, 44, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    picture = x = tf_keras.Input((None, None, 3))
    for _ in range(2):
        x = SpaceToDepth(2)(x)
    model = tf_keras.Model(picture, DepthToSpace(8)(tf_keras.layers.Conv2D(192, 1)(x)))
    meter = DropMeter.of(model, [path], scale=2)
    ((low, high),) = meter.pairs
    assert (low.shape, high.shape) == ((28, 20, 3), (56, 40, 3))
    assert meter(lambda low: low.repeat(2, 0).repeat(2, 1)).pictures == 1
