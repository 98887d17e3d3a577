"""What `mixed` can keep layers in; known before TensorFlow is loaded."""

KEPT_PRECISIONS = ("int16x8", "float32")
