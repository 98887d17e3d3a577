"""Output tails by name; known before TensorFlow is loaded."""

from __future__ import annotations

from sr_models.ground.errors import require_known

TAILS = ("relu", "none", "clip", "conv_clip")


def require_tail(tail: str) -> str:
    """`tail` itself; raises `OptionError` for an unknown one."""
    return require_known("an output tail", tail, TAILS)
