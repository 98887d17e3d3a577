"""Time, memory and quality of `.tflite` files on this machine."""
