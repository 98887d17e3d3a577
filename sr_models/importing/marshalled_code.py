"""Python's marshal format read as data: what a Lambda layer's bytecode says, without running it.

`marshal.loads` is not safe against made-up data and may crash the interpreter; this reader only
makes tuples, and refuses everything that the code of a short lambda does not hold. Layout: CPython,
`Python/marshal.c`, of the version that runs.
"""

from __future__ import annotations

import opcode
import struct
import sys
from dataclasses import dataclass
from typing import Any

_DEEPEST = 16


class OtherPythonError(ValueError):
    """Code that another version of Python wrote."""


@dataclass(frozen=True)
class Code:
    """The parts of a code object that decide what it computes.

    Attributes:
        arguments: Number of positional arguments; keyword-only ones are refused.
        instructions: Bytecode of this interpreter's version.
        constants: Constants, in the order in which instructions name them.
        names: Global and attribute names.
        variables: Names of arguments, local variables and variables of the function around.
    """

    arguments: int
    instructions: bytes
    constants: tuple
    names: tuple
    variables: tuple


def read_code(data: bytes) -> Code:
    """Read a marshalled code object.

    Raises:
        OtherPythonError: Another version of Python wrote it.
        ValueError: It is none, or holds more than a short lambda's code.
    """
    try:
        code = _Reader(data).value()
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        # The head of a code object had other numbers once, which then look like damage.
        kind = OtherPythonError if data[:1] in (b"c", b"\xe3") else ValueError
        raise kind(f"damaged code ({error})") from None
    if not isinstance(code, Code):
        raise ValueError("no code object")
    if not _is_executable(code.instructions):
        raise OtherPythonError("instructions that this Python does not have")
    return code


def _is_executable(instructions: bytes) -> bool:
    """Whether this Python has every instruction, with room behind it for what it keeps there.

    Since 3.11 instructions are followed by empty room (caches), as much as each version needs.
    """
    room = getattr(opcode, "_inline_cache_entries", {})
    at, before_resume = 0, sys.version_info >= (3, 11)
    while at < len(instructions):
        number = instructions[at]
        name = opcode.opname[number]
        if name.startswith("<"):
            return False
        after = room.get(name, 0) if isinstance(room, dict) else room[number]
        cache = instructions[at + 2 : at + 2 + 2 * after]
        if len(cache) != 2 * after or any(cache):
            return False
        if before_resume and name not in _BEFORE_RESUME:
            if name != "RESUME":
                return False
            before_resume = False
        at += 2 + 2 * after
    return True


_BEFORE_RESUME = ("COPY_FREE_VARS", "MAKE_CELL")
"""What may stand before `RESUME`, with which functions begin since Python 3.11."""


class _Reader:
    def __init__(self, data: bytes):
        self.data, self.at, self.depth = data, 0, 0
        self.references: list[Any] = []

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.at:
            raise IndexError("truncated")
        self.at += count
        return self.data[self.at - count : self.at]

    def _int(self) -> int:
        return struct.unpack("<i", self._take(4))[0]

    def value(self) -> Any:
        """The next value."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ValueError("nested too deeply")
        flags = self._take(1)[0]
        kind, place = chr(flags & 0x7F), None
        if flags & 0x80:
            place = len(self.references)
            self.references.append(None)
        found = self._read(kind)
        if place is not None:
            self.references[place] = found
        self.depth -= 1
        return found

    def _read(self, kind: str) -> Any:
        simple = {"N": None, "T": True, "F": False}
        if kind in simple:
            return simple[kind]
        if kind == "i":
            return self._int()
        if kind == "g":
            return struct.unpack("<d", self._take(8))[0]
        if kind == "s":
            return self._take(self._int())
        if kind in "zZ":
            return self._take(self._take(1)[0]).decode("ascii")
        if kind in "aA":
            return self._take(self._int()).decode("ascii")
        if kind in "ut":
            return self._take(self._int()).decode("utf-8")
        if kind in "()":
            count = self._int() if kind == "(" else self._take(1)[0]
            if count > len(self.data):
                raise IndexError("truncated")
            return tuple(self.value() for _ in range(count))
        if kind == "r":
            return self.references[self._int()]
        if kind == "c":
            return self._code()
        raise ValueError(f"a value of kind {kind!r}")

    def _code(self) -> Code:
        arguments, _, keyword_only = self._int(), self._int(), self._int()
        recent = sys.version_info >= (3, 11)
        if not recent:
            self._int()  # number of local variables
        self._int()  # size of the stack
        self._int()  # flags
        if self.data[self.at] & 0x7F != ord("s"):
            raise OtherPythonError("a code object of another layout")
        instructions, constants, names, variables = (self.value() for _ in range(4))
        if recent:
            self.value()  # kinds of variables
            free, cells = (), ()
        else:
            free, cells = self.value(), self.value()  # of the function around, and for inner ones
        self.value()  # file
        self.value()  # name
        if recent:
            self.value()  # qualified name
        self._int()  # first line
        self.value()  # lines
        if recent:
            self.value()  # exceptions
        if keyword_only or cells:
            raise ValueError("code with keyword-only arguments or functions inside")
        tuples = (constants, names, variables, free)
        if not isinstance(instructions, bytes) or not all(isinstance(t, tuple) for t in tuples):
            raise ValueError("no code object")
        if any(isinstance(constant, Code) for constant in constants):
            raise ValueError("code with functions inside")
        return Code(arguments, instructions, constants, names, variables + free)
