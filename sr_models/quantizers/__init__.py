"""Published quantizers in float TensorFlow: PAMS, dual region (outlier-aware), DFSQ.

What they learn is exported elsewhere; here they are simulated, trained and tested.
"""
