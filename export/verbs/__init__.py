"""The verbs of `sr-export`."""
