"""TFLite files run: interpreters, delegates, and a child process for files of strangers."""
