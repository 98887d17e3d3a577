"""One file held against another, or against its float network."""
