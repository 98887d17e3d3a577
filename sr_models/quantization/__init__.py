"""Int8 arithmetic on a Keras network: tensor ranges, and what a file does with them, simulated."""
