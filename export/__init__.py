"""From a float network and its tensor ranges to an audited, clip-free, full-integer `.tflite`."""
