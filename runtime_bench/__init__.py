"""How long a `.tflite` file takes, how good its pictures are, and whether a new file is better."""
