"""Results as tables on a terminal and as pages to read."""
