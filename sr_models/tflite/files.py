"""A `.tflite` file as bytes, checked before any native code sees it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from sr_models.ground.arguments import a_file, takes
from sr_models.ground.errors import ModelFileError
from sr_models.ground.pointers import require_no_pointer
from sr_models.networks.presets import PRESETS

# Bytes 4 to 8 of every TFLite flatbuffer (`file_identifier "TFL3"` in TFLite's schema.fbs).
IDENTIFIER = b"TFL3"
MAX_BYTES = 2**31 - 1
_NETWORKS = (".keras", ".h5", ".hdf5", ".onnx", ".pb")


@dataclass(frozen=True)
class ModelFile:
    """A TFLite model in memory.

    Attributes:
        name: The path as the user gave it, or a name for bytes that came from elsewhere.
        data: The whole flatbuffer.
        sha256: Hash of `data`, hexadecimal.
    """

    name: str
    data: bytes = field(repr=False)
    sha256: str

    @property
    def size_bytes(self) -> int:
        """Size of the file in bytes."""
        return len(self.data)

    def to_json(self) -> dict:
        """Name, size and hash."""
        return {"model": self.name, "size_bytes": self.size_bytes, "sha256": self.sha256}


@takes(source=a_file)
def read_model(source: str | Path | bytes, *, name: str | None = None) -> ModelFile:
    """Read a `.tflite` file, or wrap the bytes of one.

    Args:
        source: Path of a file, or its content.
        name: What results call it; the path as given by default.

    Raises:
        ModelFileError: Missing, unreadable, empty, too large, a folder, or not a TFLite file.
    """
    if isinstance(source, (bytes, bytearray)):
        name, data = name or "<bytes>", bytes(source)
    else:
        require_no_pointer(source, "a .tflite file", error=ModelFileError)
        name, data = name or str(source), _read(Path(source))
    if not data:
        raise ModelFileError(
            f"expected a .tflite file, found an empty one: {name}; export it again"
        )
    if data[4:8] != IDENTIFIER:
        raise ModelFileError(
            f"expected a .tflite file, found none of its marks ({IDENTIFIER.decode()} at byte 4) "
            f"in {name}; {way_to_a_file(name) or 'give a file that a TFLite converter wrote'}"
        )
    return ModelFile(name=name, data=data, sha256=hashlib.sha256(data).hexdigest())


def way_to_a_file(source: str | Path) -> str | None:
    """How a network of another kind becomes a `.tflite` file; `None` for what is no network."""
    path = Path(source)
    is_folder = path.is_dir() and (path / "saved_model.pb").is_file()
    is_file = path.suffix.lower() in _NETWORKS and path.is_file()
    if is_folder or is_file or str(source) in PRESETS:
        return f"make one of it with: sr-export model {source} --out DIR"
    return None


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ModelFileError(
                f"expected a .tflite file, found a folder: {path}; "
                f"{way_to_a_file(path) or 'give the file inside it'}"
            )
        if not path.exists():
            raise ModelFileError(
                f"expected a .tflite file, found no such file: {path}; "
                f"{way_to_a_file(path) or 'check the spelling'}"
            )
        if not path.is_file():
            raise ModelFileError(
                f"expected a .tflite file, found a device or pipe: {path}; give a plain file"
            )
        if (size := path.stat().st_size) > MAX_BYTES:
            raise ModelFileError(
                f"expected at most 2 GiB, the limit of a flatbuffer, found {size} bytes in {path}; "
                "give a .tflite file"
            )
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ModelFileError(
            f"expected a readable .tflite file, found: {reason}: {path}; check its permissions"
        ) from error
