"""`.tflite` files on Android phones, through the `adb` program and the user's `benchmark_model`."""
