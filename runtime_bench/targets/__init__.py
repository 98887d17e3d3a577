"""Other processors, a GPU and NPU compilers: set up, run and compared with XNNPACK here."""
