"""Representative datasets shaped by what the float network outputs (CFQP, reconstructed)."""
