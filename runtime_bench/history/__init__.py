"""Results kept over time, and what has changed since."""
