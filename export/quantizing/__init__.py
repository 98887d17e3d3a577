"""What quantization methods stand on: recipes, and a network with the ranges of its tensors."""
