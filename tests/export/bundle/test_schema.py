import copy
import json

import pytest

from export.bundle.layout import SCHEMA_PATH, SCHEMA_VERSION, require_valid
from sr_models.ground.errors import BundleError


@pytest.fixture
def manifest(made_bundle):
    return json.loads((made_bundle / "manifest.json").read_text())


def test_a_written_manifest_follows_the_schema(manifest, made_bundle):
    require_valid(manifest)
    assert (made_bundle / "manifest.schema.json").read_bytes() == SCHEMA_PATH.read_bytes()
    assert manifest["schema_version"] == SCHEMA_VERSION


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 99])
def test_a_newer_manifest_asks_for_a_newer_program(manifest, version):
    with pytest.raises(BundleError, match=f"found {version} .*install a newer"):
        require_valid({**manifest, "schema_version": version, "new": {}})


def test_a_manifest_of_before_int8_codes_is_read(manifest):
    del manifest["interface"]
    require_valid({**manifest, "schema_version": 1})


def test_every_required_part_is_required(manifest):
    for key in list(manifest):
        with pytest.raises(BundleError, match="manifest by its schema"):
            require_valid({name: value for name, value in manifest.items() if name != key})
    for key in manifest["models"][0]:
        spoiled = copy.deepcopy(manifest)
        del spoiled["models"][0][key]
        with pytest.raises(BundleError, match="models/0"):
            require_valid(spoiled)


@pytest.mark.parametrize(
    "place, value",
    [
        (("network", "scale"), "two"),
        (("network", "weights_sha256"), "abc"),
        (("models",), []),
        (("models", 0, "input", "dtype"), "int16"),
        (("interface", "dtype"), "auto"),
        (("models", 0, "input", "colour"), "BGR"),
        (("models", 0, "input", "codes_are_pixels"), False),
        (("models", 0, "golden", "tolerance"), {}),
        (("models", 0, "golden", "tolerance", "xnnpack", "max_abs_code_difference"), 256),
        (("models", 0, "full_integer"), False),
        (("receptive_field",), 5),
        (("more",), 1),
        (("latency",), {"results": []}),
    ],
)
def test_wrong_values_are_named_by_their_place(manifest, place, value):
    spoiled = copy.deepcopy(manifest)
    parent = spoiled
    for part in place[:-1]:
        parent = parent[part]
    parent[place[-1]] = value
    with pytest.raises(BundleError, match="manifest by its schema"):
        require_valid(spoiled)


@pytest.mark.parametrize("value", [None, 3, [], "text", {}, {"schema_version": True}])
def test_anything_else_is_no_manifest(value):
    with pytest.raises(BundleError):
        require_valid(value)
