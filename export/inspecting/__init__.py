"""TFLite files judged: what is in one, and what is wrong with it."""
