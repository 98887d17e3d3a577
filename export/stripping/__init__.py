"""TFLite files mended: the clip taken out of one, its interface repaired, and the proof."""
