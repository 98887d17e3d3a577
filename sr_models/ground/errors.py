"""The errors a user can cause; only a command turns one into an exit status."""

from __future__ import annotations

from collections.abc import Iterable


class SrError(Exception):
    """Base of every error whose message is meant for the user.

    A message is one line: what was expected, what was found, and what to do.
    """


class UnknownModelError(SrError):
    """A preset or family name that is not registered."""


class WeightsError(SrError):
    """A weights or checkpoint file that is missing, damaged or of another network."""


class PictureError(SrError):
    """A picture, or a folder of pictures, that cannot be used."""


class TrainingError(SrError):
    """Training that cannot start or go on."""


class OutputError(SrError):
    """A place that cannot be written to."""


class CalibrationError(SrError):
    """A representative dataset or a set of tensor ranges that cannot be used."""


class AnchorError(CalibrationError):
    """A network that answers no picture with both the input's and the output's range kept."""


class ConversionError(SrError):
    """A network that could not be converted, or a converted file that failed its audit."""


class ModelFileError(SrError):
    """A `.tflite` file that cannot be read or run."""


class NetworkError(SrError):
    """A network of the user's that cannot be read, or not be brought into the form we export."""


class LayerError(NetworkError):
    """Layers or operators of a network that nothing reads.

    Attributes:
        operators: What users call them, each once.
    """

    def __init__(self, message: str, operators: Iterable[str]):
        super().__init__(message)
        self.operators = tuple(dict.fromkeys(operators))


class OptionError(SrError):
    """A command-line value outside of what is allowed."""


class ResourceError(SrError):
    """Memory that did not suffice."""


class TargetError(SrError):
    """A target that is not installed, is broken, or does not take a file."""


class BundleError(SrError):
    """A bundle that is incomplete, changed, of a newer kind, or contradicts itself."""


def require_known(noun: str, value: str, known: Iterable[str]) -> str:
    """`value` itself; raises `OptionError`, naming all that are known, for another.

    Args:
        noun: What is chosen, with its article where it has one: `"an activation"`.
        value: The choice.
        known: Everything that may be chosen.
    """
    names = tuple(known)
    if value not in names:
        raise OptionError(f"expected {noun} of {', '.join(names)}, found {value!r}")
    return value
