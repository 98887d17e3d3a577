"""Float Keras super-resolution networks: families, presets with trained weights, training.

Start with `open_network`, which takes a preset's name, a file, a folder or a Keras model.
"""

import os

from sr_models.ground.lazy import public_names

# Both must stand before TensorFlow is imported. oneDNN is off by default on CPUs without AVX-512;
# there it halves the time of a training step.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_MODULES = {
    "Preset": "sr_models.networks.presets",
    "SourceNetwork": "sr_models.importing.sources",
    "SrError": "sr_models.ground.errors",
    "at_size": "sr_models.networks.graph",
    "attach_tail": "sr_models.networks.tails",
    "errors": "sr_models.ground.errors",
    "evaluate_model": "sr_models.networks.evaluation",
    "get_preset": "sr_models.networks.presets",
    "list_presets": "sr_models.networks.presets",
    "load_image": "sr_models.ground.pictures",
    "load_model": "sr_models.networks.network",
    "metrics": "sr_models.ground.metrics",
    "open_network": "sr_models.importing.sources",
}
__all__ = list(_MODULES)
__getattr__, __dir__ = public_names(__name__, _MODULES)
