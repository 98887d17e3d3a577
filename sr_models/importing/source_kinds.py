"""What a source is, told by its name and what lies there; no library is loaded for it."""

from __future__ import annotations

from pathlib import Path

from sr_models.ground.errors import NetworkError, OptionError
from sr_models.ground.pointers import require_no_pointer
from sr_models.importing.ends import TOLD_BY_ITSELF, Ends
from sr_models.networks.presets import get_preset, list_presets

PIXELS = {
    "0..1": (0.0, 1.0),
    "0..255": (0.0, 255.0),
    "-1..1": (-1.0, 1.0),
}
"""What black and white can be, by the name that the user gives it."""

FILES = (".keras", ".h5", ".hdf5", ".onnx", ".tflite", ".pb")
_BY_KERAS = "build the same network in Keras with these weights and give module:function"
_PYTORCH = (
    "PyTorch weights or a pickled PyTorch network",
    f"export it to ONNX (docs/networks.md has the lines), or {_BY_KERAS}",
)
_OTHERS: dict[str, tuple[str, str]] = {
    ".pth": _PYTORCH,
    ".pt": _PYTORCH,
    ".pt2": _PYTORCH,
    ".safetensors": ("weights without their network", _BY_KERAS),
    ".pbtxt": ("a graph of TensorFlow in text", "freeze the network into a .pb file"),
    ".meta": ("a graph of TensorFlow 1 without weights", "freeze the network into a .pb file"),
    ".ckpt": (
        "a checkpoint of TensorFlow, weights without their network",
        "load it in Python and give module:function",
    ),
    ".index": (
        "a checkpoint of TensorFlow, weights without their network",
        "load it in Python and give module:function",
    ),
    ".json": (
        "a description without weights",
        "load both in Python and give module:function, or save the whole network with model.save",
    ),
    ".yaml": (
        "a description without weights",
        "load both in Python and give module:function, or save the whole network with model.save",
    ),
    ".npz": ("arrays without their network", "load them in Python and give module:function"),
    ".npy": ("an array without its network", "load it in Python and give module:function"),
    ".mlmodel": ("a Core ML file", _BY_KERAS),
    ".param": ("an NCNN file", _BY_KERAS),
    ".caffemodel": ("a Caffe file", _BY_KERAS),
    ".py": ("a Python file", "name the function that builds the network: file.py:function"),
}
"""Suffix -> what such a file is, and the way to go from there."""
_FILE_KINDS = {
    "keras": "a Keras",
    "onnx": "an ONNX",
    "tflite": "a .tflite",
    "graph": "a frozen graph's",
}
_TAKING = {
    "--input": ("graph", "tflite"),
    "--output": ("graph", "saved_model", "onnx", "tflite", "keras", "python"),
    "--signature": ("saved_model",),
    "--dequantize": ("tflite",),
}
"""Option -> kinds of sources that it goes with."""
_KINDS = {
    "graph": "a frozen graph",
    "saved_model": "a SavedModel folder",
    "onnx": "an ONNX file",
    "tflite": "a TFLite file",
    "keras": "a Keras file",
    "python": "module:function",
}
_OF_TENSORFLOW = (".pb", ".keras", ".h5", ".hdf5")
_HEAD = 64
_PICKLED = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def require_source(
    source: str,
    *,
    weights: str | Path | None = None,
    ends: Ends = TOLD_BY_ITSELF,
    dequantize: bool = False,
) -> str:
    """The kind of a source that can be opened, as far as can be told without opening it.

    Args:
        source: See `sr_models.importing.sources.open_network`.
        weights: A preset's weights from another file.
        ends: Which input, output and signature to take.
        dequantize: Whether a TFLite file of integers is to be taken back to real numbers.

    Raises:
        UnknownModelError: Neither a preset nor a path.
        WeightsError: A preset's weights are missing.
        NetworkError: A path that is missing, or of something else.
        OptionError: Options that do not go with the source.
    """
    kind = kind_of(source)
    if kind == "preset":
        get_preset(source).require_weights(weights)
    elif weights is not None:
        raise given_weights(source)
    require_ends(source, kind, ends)
    require_dequantized(source, kind, dequantize=dequantize)
    if kind == "python":
        require_python_place(source.rpartition(":")[0])
    return kind


def require_ends(source: str, kind: str, ends: Ends) -> None:
    """Raise `OptionError` for inputs and outputs named of a source that has one of each."""
    for option in ends.given:
        if kind not in _TAKING[option]:
            *most, last = (_KINDS[taker] for taker in _TAKING[option])
            takers = f"{', '.join(most)} or {last}" if most else last
            raise OptionError(f"expected {option} with {takers}, found {source}; leave it out")


def require_dequantized(source: str, kind: str, *, dequantize: bool) -> None:
    """Raise `OptionError` where integers are to be taken back of what holds none."""
    if dequantize and kind not in _TAKING["--dequantize"]:
        raise OptionError(
            f"expected --dequantize with a TFLite file of integers, found {source}; leave it out"
        )


def given_weights(source: str) -> OptionError:
    """The error for weights beside a network that has its own."""
    return OptionError(
        f"expected --weights with a preset, found {source}, which brings its own; leave it out"
    )


def require_python_place(place: str) -> None:
    """Raise `NetworkError` for a Python file that is missing; modules are left to who imports."""
    if place.endswith(".py") and not Path(place).is_file():
        raise NetworkError(f"expected a Python file, found no file {place}; check the path")


def kind_of(source: str) -> str:
    """What a source is, by its name and what lies there.

    Returns:
        `"preset"`, `"python"`, `"saved_model"`, `"onnx"`, `"tflite"`, `"graph"` or `"keras"`.

    Raises:
        NetworkError: A path that is missing, or of something else.
    """
    path = Path(source)
    if source in list_presets():
        return "preset"
    if path.is_dir():
        for inside in (path / "saved_model.pb", *sorted(path.glob("variables/*"))):
            require_no_pointer(inside, "a file of a SavedModel", error=NetworkError)
        return "saved_model"
    _require_no_other_format(path)
    if path.is_file():
        kind = _kind_of_file(path)
        require_no_pointer(path, f"{_FILE_KINDS[kind]} file", error=NetworkError)
        return kind
    if ":" in source:
        return "python"
    if path.suffix.lower() in FILES or "/" in source or "\\" in source:
        raise NetworkError(
            f"expected a preset's name, a .keras, .h5, .onnx, .tflite or .pb file, a SavedModel "
            f"folder or module:function, found no file {source}; check the path"
        )
    return "preset"


def _require_no_other_format(path: Path) -> None:
    """Raise `NetworkError` for a file of another format, which says what it is and what to do."""
    if path.suffix.lower() == ".pb" and (path.parent / "variables").is_dir():
        raise NetworkError(
            f"expected a SavedModel folder, found the graph inside of one: {path}; give its "
            f"folder: {path.parent}"
        )
    found = _OTHERS.get(path.suffix.lower()) or _by_content(path)
    if found is not None:
        what, cure = found
        there = "" if path.exists() else ", and none of that name"
        raise NetworkError(f"expected a float Keras network, found {what}{there}: {path}; {cure}")


def _by_content(path: Path) -> tuple[str, str] | None:
    head = _head_of(path)
    if head.startswith(_PICKLED) or (head.startswith(b"PK") and b"/data.pkl" in head):
        return _PYTORCH
    return None


def _kind_of_file(path: Path) -> str:
    """One of `_FILE_KINDS`, by its suffix; a TFLite file by its mark too, whatever it is called."""
    if path.suffix.lower() == ".tflite" or _head_of(path)[4:8] == b"TFL3":
        return "tflite"
    if path.suffix.lower() == ".pb":
        return "graph"
    return "onnx" if is_onnx(path) else "keras"


def is_onnx(path: Path) -> bool:
    """Whether a file is called an ONNX file."""
    return path.suffix.lower() == ".onnx"


def is_of_tensorflow(path: Path) -> bool:
    """Whether a path is called a Keras file or a frozen graph, or holds a SavedModel."""
    if path.is_dir():
        return (path / "saved_model.pb").is_file()
    return path.suffix.lower() in _OF_TENSORFLOW


def _head_of(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(_HEAD)
