"""The network families, a file each; `sr_models.registry` finds them by name."""
