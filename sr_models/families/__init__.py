"""The network families, a file each; `sr_models.networks.registry` finds them by name."""
