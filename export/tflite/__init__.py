"""TFLite files as data: the flatbuffer read within bounds, taken apart and put together."""
