import numpy as np
import pytest

from representative_data.pictures import HELD_OUT, bundled_pictures, held_out_tiles
from representative_data.tiles import load_tiles


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_are_as_large_as_asked_for(channels):
    found = held_out_tiles(scale=3, side=24, channels=channels)
    assert {(tile.dtype, tile.shape) for tile in found} == {(np.dtype("uint8"), (24, 24, channels))}
    assert HELD_OUT.startswith(f"{len(found)} tiles of astronaut.png, chelsea.png")


def test_no_tile_is_one_of_the_scenes_for_calibration():
    calibration = {
        tile.pixels.tobytes() for tile in load_tiles(bundled_pictures(), scale=3, count=24, side=24)
    }
    assert not calibration & {tile.tobytes() for tile in held_out_tiles(scale=3, side=24)}
