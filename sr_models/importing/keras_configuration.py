"""A Keras model's configuration, of any version, built anew from layers that we know.

Three ways of writing are read: tf-keras `.h5` and `.keras`, whose calls are lists of
`[layer, node, tensor, keywords]`, and Keras 3, whose calls hold `args` and `kwargs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import tf_keras

from sr_models.ground.errors import LayerError, NetworkError
from sr_models.importing.frozen_graph import first_line
from sr_models.importing.keras_layers import (
    make_keras3_operation,
    make_layer,
    make_tf_operation,
)
from sr_models.importing.provenance import is_of_keras

MODELS = ("Functional", "Model", "Sequential")
"""Classes of Keras that hold layers."""
_INPUT = "InputLayer"
_MOST_LAYERS = 5000
_DEEPEST = 8


@dataclass
class BuiltModel:
    """A model, and what its parts are called in the file.

    Attributes:
        call: The model as a function of one tensor, which returns a list of several outputs.
        input_shape: Shape of its input, (N, H, W, C) with `None` for free sizes.
        parts: (name, class in the file, layer or `BuiltModel`), in the file's order; operations
            that are no layers left out.
        outputs: What the outputs are called.
    """

    call: Callable
    input_shape: tuple[int | None, ...]
    parts: list[tuple[str, str, Any]] = field(default_factory=list)
    outputs: tuple[str, ...] = ("output",)


@dataclass(frozen=True)
class _Reference:
    """A tensor: what the `node`-th call of a layer returns."""

    layer: str
    node: int
    tensor: int


def build_model(entry: dict[str, Any], *, version: int, trust: bool, depth: int = 0) -> BuiltModel:
    """Build a model from its configuration.

    Args:
        entry: `{"class_name": ..., "config": ...}` as Keras writes it.
        version: Keras' main version: 2 or 3.
        trust: Whether a Lambda's own code may be run.
        depth: How many models it is nested in.

    Raises:
        NetworkError: A class of the user's own, several inputs, no output, or no Keras model.
    """
    config, kind = entry.get("config"), entry.get("class_name")
    if kind not in MODELS or not is_of_keras(entry):
        raise NetworkError(
            f"expected a functional or sequential Keras model, found {str(kind)[:60]}; save it as "
            "a SavedModel (model.export), or give module:function"
        )
    # Of long ago a sequential configuration is the list itself.
    config = {"layers": config} if isinstance(config, list) else config
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        raise NetworkError("expected a list of layers in the configuration, found none; save anew")
    if len(config["layers"]) > _MOST_LAYERS or depth > _DEEPEST:
        raise NetworkError("expected a network of at most 5000 layers, 8 models deep; flatten it")
    builder = _Builder(config, version=version, trust=trust, depth=depth)
    return builder.sequential() if kind == "Sequential" else builder.functional()


class _Builder:
    def __init__(self, config: dict[str, Any], *, version: int, trust: bool, depth: int):
        self.config, self.version, self.trust, self.depth = config, version, trust, depth
        self.parts: list[tuple[str, str, Any]] = []

    def _part(self, entry: dict[str, Any]) -> Callable:
        kind, config = str(entry.get("class_name")), entry.get("config") or {}
        name = str(entry.get("name") or config.get("name") or kind)
        if kind in MODELS:
            built = build_model(entry, version=self.version, trust=self.trust, depth=self.depth + 1)
            self.parts.append((name, kind, built))
            return built.call
        if kind in ("TFOpLambda", "SlicingOpLambda") and is_of_keras(entry):
            self.parts.append((name, kind, None))
            return make_tf_operation(str(config.get("function")), name)
        if self.version >= 3 and _is_operation(entry):
            return make_keras3_operation(kind, config)
        layer = make_layer(kind, entry, version=self.version, trust=self.trust)
        self.parts.append((name, kind, layer if isinstance(layer, tf_keras.layers.Layer) else None))
        return layer

    def _made(self, entries: Sequence[dict[str, Any]]) -> list[Callable]:
        """The parts of a model; those that cannot be are refused together."""
        made, refused = [], []
        for entry in entries:
            try:
                made.append(self._part(entry))
            except LayerError as error:
                refused.append(error)
        if refused:
            raise LayerError(str(refused[0]), [name for e in refused for name in e.operators])
        return made

    def sequential(self) -> BuiltModel:
        shape, entries = self.config.get("build_input_shape"), []
        for entry in self.config["layers"]:
            if entry.get("class_name") == _INPUT:
                shape = _input_shape(entry)
                self.parts.append((str((entry.get("config") or {}).get("name")), _INPUT, None))
                continue
            shape = shape or _input_shape(entry)
            entries.append(entry)
        calls = self._made(entries)
        if shape is None:
            raise NetworkError(
                "expected the shape of the input in the file, found none; call the model once "
                "before saving it"
            )

        def call(x):
            for part in calls:
                x = _called(part, getattr(part, "name", "of a sequence"), [x], {})
            return x

        last = (str(self.parts[-1][0]),) if self.parts else ("output",)
        return BuiltModel(call, tuple(shape), self.parts, last)

    def functional(self) -> BuiltModel:
        entries = {str(entry.get("name")): entry for entry in self.config["layers"]}
        inputs, outputs = (_ends(self.config, f"{end}_layers") for end in ("input", "output"))
        for found, what in ((inputs, "input"), (outputs[:1], "output")):
            if len(found) != 1:
                raise NetworkError(
                    f"expected one {what}, found {len(found)}; give a network that takes one "
                    "picture and returns one"
                )
        (start,) = inputs
        if start.layer not in entries or entries[start.layer].get("class_name") != _INPUT:
            raise NetworkError(
                "expected an input layer in the configuration, found none; save anew"
            )
        shape = _input_shape(entries[start.layer])
        layers = {n: entry for n, entry in entries.items() if entry.get("class_name") != _INPUT}
        self.parts += [(name, _INPUT, None) for name in entries if name not in layers]
        parts = dict(zip(layers, self._made(list(layers.values()))))
        calls = [
            (name, number, *_arguments(node))
            for name in parts
            for number, node in enumerate(entries[name].get("inbound_nodes") or [])
        ]
        first = _first_nodes(calls, outputs)

        def call(x):
            tensors = {(start.layer, 0): x}
            waiting = list(calls)
            while waiting:
                later = []
                for name, number, arguments, keywords in waiting:
                    given = [_place(r, first) for r in _references((arguments, keywords))]
                    if any(place not in tensors for place in given):
                        later.append((name, number, arguments, keywords))
                        continue
                    made = _filled(arguments, tensors, first), _filled(keywords, tensors, first)
                    tensors[name, number] = _called(parts[name], name, *made)
                if len(later) == len(waiting):
                    raise NetworkError(
                        f"expected a network without gaps or circles, found that {later[0][0]} "
                        "reads what is never made; save it again"
                    )
                waiting = later
            made = [_filled(end, tensors, first) for end in outputs]
            return made if len(made) > 1 else made[0]

        return BuiltModel(call, shape, self.parts, _names(self.config["output_layers"], outputs))


def _is_operation(entry: dict[str, Any]) -> bool:
    """Whether a Keras 3 entry is of `keras.ops`; an `.h5` file has no module that would say so."""
    if ">" in str(entry.get("registered_name")):
        return False
    if "module" in entry:
        return str(entry["module"]).startswith("keras.src.ops")
    # Every layer says whether it is trained; an operation has nothing to train.
    return "trainable" not in (entry.get("config") or {})


def _called(part: Callable, name: str, arguments, keywords) -> Any:
    keywords = {k: v for k, v in keywords.items() if k not in ("mask", "training", "name")}
    try:
        return part(*arguments, **keywords)
    except NetworkError:
        raise
    except Exception as error:  # Trusted code may raise anything, and so may Keras.
        raise NetworkError(
            f"expected layer {name} to accept what is before it, found {type(error).__name__}: "
            f"{first_line(error)}; save it again, or give module:function"
        ) from error


def _input_shape(entry: dict[str, Any]) -> tuple[int | None, ...] | None:
    config = entry.get("config") or {}
    shape = config.get("batch_shape") or config.get("batch_input_shape")
    return tuple(shape) if shape else None


def _ends(config: dict[str, Any], key: str) -> list[_Reference]:
    found = config.get(key) or []
    if isinstance(found, dict):
        found = list(found.values())
    if len(found) == 3 and isinstance(found[0], str):
        found = [found]
    return [_Reference(str(name), int(node), int(tensor)) for name, node, tensor in found]


def _names(given: Any, ends: Sequence[_Reference]) -> tuple[str, ...]:
    """What outputs are called: by the model's dictionary, or by their layers."""
    if isinstance(given, dict):
        return tuple(map(str, given))
    names = [end.layer for end in ends]
    return tuple(
        f"{name}_{before}" if (before := names[:place].count(name)) else name
        for place, name in enumerate(names)
    )


def _arguments(node: Any) -> tuple[list[Any], dict[str, Any]]:
    """The positional and keyword arguments of a call, with `_Reference` for tensors."""
    if isinstance(node, dict):
        return _read3(node.get("args") or []), _read3(node.get("kwargs") or {})
    values, keywords = [], {}
    node = [node] if node and isinstance(node[0], str) else node
    for name, number, tensor, *more in node:
        values.append(tensor if name == "_CONSTANT_VALUE" else _Reference(name, number, tensor))
        keywords.update(more[0] if more else {})
    keywords = {key: _read2(value) for key, value in keywords.items()}
    return [values[0] if len(values) == 1 else values], keywords


def _read2(value: Any) -> Any:
    """A keyword of tf-keras: `[layer, node, tensor]` stands for a tensor."""
    if isinstance(value, list):
        if len(value) in (3, 4) and isinstance(value[0], str) and isinstance(value[1], int):
            if value[0] == "_CONSTANT_VALUE":
                return value[2]
            return _Reference(value[0], value[1], value[2])
        return [_read2(item) for item in value]
    return value


def _read3(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return _Reference(*value["config"]["keras_history"])
        return {key: _read3(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_read3(item) for item in value]
    return value


def _references(value: Any) -> Iterator[_Reference]:
    if isinstance(value, _Reference):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _references(item)


def _first_nodes(calls, ends: Sequence[_Reference]) -> dict[str, int]:
    """The number that each layer's first call has: tf-keras counts from 1 for a nested model."""
    numbers: dict[str, int] = {}
    for reference in (*ends, *(r for call in calls for r in _references(call[2:]))):
        numbers[reference.layer] = min(reference.node, numbers.get(reference.layer, reference.node))
    counts: dict[str, int] = {}
    for name, *_ in calls:
        counts[name] = counts.get(name, 0) + 1
    # Where the first call is not read at all, the numbers begin at 0 and the least is above it.
    return {n: low if counts.get(n, 1) == 1 else min(low, 1) for n, low in numbers.items()}


def _place(reference: _Reference, first: dict[str, int]) -> tuple[str, int]:
    return reference.layer, reference.node - first.get(reference.layer, 0)


def _filled(value: Any, tensors: dict, first: dict[str, int]) -> Any:
    if isinstance(value, _Reference):
        made = tensors[_place(value, first)]
        return made[value.tensor] if isinstance(made, (list, tuple)) else made
    if isinstance(value, list):
        return [_filled(item, tensors, first) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, tensors, first) for key, item in value.items()}
    return value
