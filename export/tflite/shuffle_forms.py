"""Forms in which pixels are taken out of channels, by name; `shuffles.py` makes them."""

from __future__ import annotations

from sr_models.ground.errors import require_known

DEPTH_TO_SPACE = "depth_to_space"
SHUFFLES = (DEPTH_TO_SPACE, "transpose_conv", "resize_mask")


def require_shuffle(shuffle: str) -> None:
    """Raise `OptionError` for an unknown form."""
    require_known("a shuffle", shuffle, SHUFFLES)
