"""Recipes that are tried or taken where nobody names one; importable without TensorFlow."""

from __future__ import annotations

DEFAULT_RECIPE = "cfqp+relus+groups+pack+equalize+rotate+split+sums+bounded+adaround"
"""Seconds, and a few hundredths of a dB from float."""

IN_ORDER_OF_COST = ("cfqp", "cfqp+bias", "cfqp+equalize+adaround", DEFAULT_RECIPE)
"""From seconds to a minute. The first three leave the network's layers as they are."""
