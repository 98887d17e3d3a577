"""Training: recipe, patches, optimizer, checkpoints, and where a run takes place."""
