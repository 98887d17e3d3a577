"""Ways to quantize better than by the least and the greatest value."""
