"""The verbs of `sr-models`."""
