"""TFLite files of super-resolution: what operators do, what they say of pixels, changes to them."""
