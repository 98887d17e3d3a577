"""The verbs of `sr-bench`."""
