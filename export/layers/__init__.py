"""Single layers as files of their own: what a quantizer costs where int8 has no operator for it."""
