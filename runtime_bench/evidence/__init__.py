"""Studies that measure this project, not the file of a user."""
