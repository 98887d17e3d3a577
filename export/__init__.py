"""From a float network and its tensor ranges to an audited, clip-free, full-integer `.tflite`.

Start with `export`, which takes an opened network, and a representative dataset where there is one.
"""

from sr_models.ground.lazy import public_names

_MODULES = {
    "ExportResult": "export.exporting.result",
    "ExportSettings": "export.exporting.settings",
    "Size": "sr_models.ground.sizes",
    "audit_model": "export.inspecting.audit",
    "export": "export.exporting.front_door",
    "export_bundle": "export.bundle.writing",
    "inspect_model": "export.inspecting.inspection",
    "open_model": "export.running.interpreters",
    "strip_model": "export.stripping.strip",
    "upscale": "export.running.pixels",
    "verify_bundle": "export.bundle.verification",
}
__all__ = list(_MODULES)
__getattr__, __dir__ = public_names(__name__, _MODULES)
