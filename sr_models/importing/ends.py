"""Which of a network's several inputs and outputs are the pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sr_models.ground.arguments import described
from sr_models.ground.errors import NetworkError, OptionError

LARGEST_SCALE = 8
_SHOWN = 12
_SIDE = 64


@dataclass(frozen=True)
class Ends:
    """What the user says of a network of several inputs, outputs or signatures.

    Attributes:
        input: Name or number of the input that takes the picture.
        output: Name or number of the output that is the upscaled picture.
        signature: Name of a SavedModel's signature.
    """

    input: str | None = None
    output: str | None = None
    signature: str | None = None

    def __post_init__(self):
        for name in ("input", "output", "signature"):
            given = getattr(self, name)
            if isinstance(given, int) and not isinstance(given, bool):
                object.__setattr__(self, name, str(given))
            elif given is not None and not (isinstance(given, str) and given):
                raise OptionError(
                    f"expected {name} to be a name or a number, found {described(given)}; give one "
                    "of those that the network has"
                )

    @property
    def given(self) -> list[str]:
        """Names of what is said, as options are called."""
        return [f"--{n}" for n in ("input", "output", "signature") if getattr(self, n) is not None]


TOLD_BY_ITSELF = Ends()
"""Nothing said: a network tells by itself."""


def shown(names: Sequence[str]) -> str:
    """Names for a message, the first of many."""
    listed = ", ".join(names[:_SHOWN]) or "none"
    return listed if len(names) <= _SHOWN else f"{listed} and {len(names) - _SHOWN} more"


def place_of(asked: str, names: Sequence[str], *, what: str) -> int:
    """Which of several a user asks for, by name or number.

    Raises:
        NetworkError: None of them; the message lists all.
    """
    if asked in names:
        return list(names).index(asked)
    if asked.isdecimal() and int(asked) < len(names):
        return int(asked)
    raise NetworkError(
        f"expected --{what} to be one of {shown(names)}, found {asked!r}; give a name or a number "
        "from 0 on"
    )


def is_upscaled(
    low: Sequence[int | None], high: Sequence[int | None] | None, *, least: int = 2
) -> bool:
    """Whether a shape (N, H, W, C) is that of a picture `least` to 8 times as large as another."""
    if high is None or len(high) != 4 or None in high[1:] or high[3] != low[3]:
        return False
    scale = high[1] // low[1]
    return (high[1], high[2]) == (low[1] * scale, low[2] * scale) and (
        least <= scale <= LARGEST_SCALE
    )


def output_place(
    names: Sequence[str],
    shapes: Sequence[Sequence[int | None] | None],
    low: Sequence[int],
    *,
    asked: str | None,
) -> int:
    """Which output is the upscaled picture.

    Args:
        names: Of the outputs.
        shapes: Theirs, for an input of `low`, as (N, H, W, C); `None` where one is no such thing.
        low: Shape of the input.
        asked: What the user says.

    Raises:
        NetworkError: No output, or several, may be it; the message lists all.
    """
    if asked is not None:
        return place_of(asked, names, what="output")
    if len(names) == 1:
        return 0
    for least in (2, 1):
        found = [i for i, high in enumerate(shapes) if is_upscaled(low, high, least=least)]
        if len(found) == 1:
            return found[0]
        if found:
            break
    raise NetworkError(
        f"expected one output that is the upscaled picture, found {len(found) or 'none'} among "
        f"{shown(names)}; say which with --output NAME"
    )


def with_one_output(
    function: Callable,
    shape: Sequence[int | None],
    *,
    names: Sequence[str],
    dtype: Any = "float32",
    asked: str | None = None,
) -> tuple[Callable, str | None]:
    """A function of one picture that returns the upscaled picture alone.

    Args:
        function: Returns one tensor, or several in a list or dictionary.
        shape: Shape (N, H, W, C) of its input.
        names: What its outputs are called, in their order.
        dtype: Type of its input.
        asked: What the user says.

    Returns:
        The function, and what was taken, as a sentence; `None` where there was nothing to choose.

    Raises:
        NetworkError: See `output_place`.
    """
    place = picture_place(function, shape, names=names, dtype=dtype, asked=asked)
    if place is None:
        return function, None
    said = took_output(names[place], names) if names[1:] else None
    return of_outputs(function, names, place), said


def picture_place(
    function: Callable,
    shape: Sequence[int | None],
    *,
    names: Sequence[str],
    dtype: Any = "float32",
    asked: str | None = None,
) -> int | None:
    """Which of a function's outputs `with_one_output` takes; `None` for one that returns one."""
    import tensorflow as tf

    if asked is not None:
        return place_of(asked, names, what="output")
    if len(names) == 1:
        return None
    batch, height, width, channels = (*shape, *[None] * 4)[:4]
    low = (batch or 1, height or _SIDE, width or _SIDE, channels or 3)
    spec = tf.TensorSpec(low, dtype)
    try:
        traced = tf.function(function, autograph=False).get_concrete_function(spec)
    except Exception:  # What cannot be traced is said where it is read.
        return None
    tensors = _outputs(traced.structured_outputs, names)
    shapes = [None if t.shape.rank is None else t.shape.as_list() for t in tensors]
    return output_place(names, shapes, low, asked=None)


def of_outputs(function: Callable, names: Sequence[str], place: int) -> Callable:
    """A function that returns one of another's outputs."""
    return lambda x: _outputs(function(x), names)[place]


def took_output(name: str, names: Sequence[str]) -> str:
    """Which of several outputs was taken, as a sentence."""
    return f"took the output {name} of {shown(names)}"


def _outputs(answer: Any, names: Sequence[str]) -> list[Any]:
    import tensorflow as tf

    if isinstance(answer, dict) and set(names) == set(answer):
        return [answer[name] for name in names]
    return tf.nest.flatten(answer)
