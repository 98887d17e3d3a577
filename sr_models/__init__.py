"""Float Keras super-resolution networks: families, presets with trained weights, training."""

import os

# Both must stand before TensorFlow is imported. oneDNN is off by default on CPUs without AVX-512;
# there it halves the time of a training step.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
