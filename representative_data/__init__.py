"""Representative datasets shaped by what the float network outputs (CFQP, reconstructed).

Start with `shape`, which takes an opened network and a folder of pictures.
"""

from sr_models.ground.lazy import public_names

_MODULES = {
    "CfqpSettings": "representative_data.cfqp",
    "RepresentativeDataset": "representative_data.dataset",
    "Taming": "representative_data.choices",
    "build_cfqp_dataset": "representative_data.cfqp",
    "build_natural_dataset": "representative_data.cfqp",
    "load_dataset": "representative_data.dataset",
    "load_tiles": "representative_data.tiles",
    "shape": "representative_data.shaping",
    "tiles_from_arrays": "representative_data.tiles",
}
__all__ = list(_MODULES)
__getattr__, __dir__ = public_names(__name__, _MODULES)
