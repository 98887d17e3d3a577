"""Pictures of any size upscaled by a file, in tiles."""
