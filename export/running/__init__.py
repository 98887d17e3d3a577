"""TFLite files run: interpreters, delegates, and a child process for untrusted files."""
