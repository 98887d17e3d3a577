"""A `.tflite` file as data: read, checked before anything believes it, unpacked, packed again."""
