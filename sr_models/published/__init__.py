"""Published quantizers in float TensorFlow: PAMS, dual region (outlier-aware), DFSQ."""
