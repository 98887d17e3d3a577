"""Ways to quantize better than by the least and the greatest value."""

DEFAULT_RECIPE = "cfqp+relus+groups+equalize+rotate+split+bounded+adaround"
"""Seconds, and a few hundredths of a dB from float. Here, where help can read it at once."""
