"""The main job: shape, quantize, convert, judge."""
