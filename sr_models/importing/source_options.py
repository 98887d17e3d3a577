"""What a user may say of a source beside its name: the options of every verb that takes one.

A new option is a field of `SourceOptions` with its row in `OPTIONS`. Every verb has it then.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

from sr_models.ground import options as shown
from sr_models.ground.arguments import a_flag, a_path, a_text, optional, require_fields
from sr_models.ground.errors import require_known
from sr_models.importing.ends import Ends
from sr_models.importing.source_kinds import (
    PIXELS,
    given_weights,
    require_dequantized,
    require_ends,
    require_source,
)

OPTIONS: dict[str, Any] = {
    "weights": shown.Weights,
    "pixels": shown.Pixels,
    "trust": shown.Trust,
    "input": shown.Input,
    "output": shown.Output,
    "signature": shown.Signature,
    "dequantize": shown.Dequantize,
}
"""Field of `SourceOptions` -> how typer shows it."""


@dataclass(frozen=True)
class SourceOptions:
    """What a user says of a source; each field is a keyword of `sr_models.open_network`, too.

    Attributes:
        weights: A preset's weights from another file.
        pixels: What black and white are for a network of the user's, one of
            `sr_models.importing.source_kinds.PIXELS`; found by itself by default.
        trust: Whether Lambda layers of a Keras file that we do not know may run their code.
        input: Name or number of the input that takes the picture.
        output: Name or number of the output that is the upscaled picture.
        signature: Name of the signature of a SavedModel that is the network.
        dequantize: Whether a TFLite file of integers is taken back to real numbers, which does not
            bring back what its integers have lost.

    Raises:
        OptionError: A value of another type, or pixels that are not known.
    """

    weights: str | Path | None = None
    pixels: str | None = None
    trust: bool = False
    input: str | int | None = None
    output: str | int | None = None
    signature: str | None = None
    dequantize: bool = False

    def __post_init__(self):
        texts = {name: optional(a_text) for name in ("pixels", "signature")}
        flags = dict.fromkeys(("trust", "dequantize"), a_flag)
        require_fields(self, weights=optional(a_path), **texts, **flags)
        if self.pixels is not None:
            require_known("pixels", self.pixels, PIXELS)
        _ = self.ends  # Which refuses what is no name.

    @property
    def ends(self) -> Ends:
        """Which input, output and signature to take."""
        return Ends(self.input, self.output, self.signature)

    @property
    def given(self) -> list[str]:
        """Names of what is said."""
        return [field.name for field in fields(self) if getattr(self, field.name) != field.default]

    @property
    def keywords(self) -> dict[str, Any]:
        """The same as keywords of `sr_models.open_network`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def require(self, source: str) -> str:
        """The kind of a named source that these options go with; see `require_source`.

        Raises:
            SrError: As `require_source` does.
        """
        return require_source(
            source, weights=self.weights, ends=self.ends, dequantize=self.dequantize
        )

    def require_in_memory(self) -> None:
        """Raise `OptionError` for what does not go with a Keras model in memory."""
        what = "a Keras model"
        if self.weights is not None:
            raise given_weights(what)
        require_ends(what, "python", self.ends)
        require_dequantized(what, "python", dequantize=self.dequantize)


NOTHING_SAID = SourceOptions()
"""A source that tells by itself."""


def takes_source(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb whose argument of the type `SourceOptions` becomes an option for each of its fields.

    Decorates what typer makes a command of; the verb gets the options as one value. Before it is
    called, its `name`, or each of its `names`, is held against them.

    Raises:
        ValueError: The verb has no such argument, or several, or names no source.
    """
    signature = inspect.signature(verb, eval_str=True)
    parameters = signature.parameters.values()
    places = [p.name for p in parameters if p.annotation is SourceOptions]
    named = [p.name for p in parameters if p.name in ("name", "names")]
    if len(places) != 1 or len(named) != 1:
        raise ValueError(
            f"expected one argument of the type SourceOptions and one of name, names, found "
            f"{len(places)} and {len(named)} in {verb.__name__}"
        )
    (place,) = places
    own = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=OPTIONS[field.name],
        )
        for field in fields(SourceOptions)
    ]
    flat = []
    for parameter in parameters:
        if parameter.name == place:
            flat += own
        else:
            flat.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(verb)
    def called(**words: Any) -> None:
        said = {name: words.pop(name) for name in OPTIONS if name in words}
        options, given = SourceOptions(**said), words[named[0]]
        for source in [given] if isinstance(given, str) else given:
            options.require(source)
        verb(**words, **{place: options})

    called.__signature__ = signature.replace(parameters=flat)
    return called
