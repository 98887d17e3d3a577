"""The published JSON schema of a bundle's manifest."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from sr_models.errors import BundleError

SCHEMA_VERSION = 1
SCHEMA_PATH = Path(__file__).with_name("manifest.schema.json")


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(SCHEMA_PATH.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def require_valid(manifest: Any, *, source: str = "manifest.json") -> None:
    """Raise `BundleError` for a manifest that does not follow the schema, naming the place.

    Args:
        manifest: Parsed JSON.
        source: What the message calls it.
    """
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BundleError(
            f"expected a manifest of schema {SCHEMA_VERSION} or older, found {version} in "
            f"{source}; install a newer clip-free-sr"
        )
    error = jsonschema.exceptions.best_match(_validator().iter_errors(manifest))
    if error is not None:
        place = "/".join(str(part) for part in error.absolute_path) or "the whole"
        raise BundleError(
            f"expected a manifest by its schema, found in {source} at {place}: "
            f"{error.message[:160]}; export the bundle anew"
        )
