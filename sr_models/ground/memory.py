"""How much memory a command may take, and what it says where there was not enough.

Half of what is free by default, of the machine or of the control group that the process runs in,
whichever has less; `--memory-budget` says it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sr_models.ground.errors import OptionError, ResourceError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", re.IGNORECASE)
_LEAST = 64 << 20
_UNKNOWN = 2 << 30
"""What is taken for free where nothing says how much is."""
_SHARE = 0.5
_OUT_OF_MEMORY = ("ResourceExhaustedError", "MemoryError", "_ArrayMemoryError")
_SAID = ("oom when allocating", "out of memory", "failed to allocate", "bad_alloc")

_chosen: list[int] = []


def parse_budget(text: str) -> int:
    """Bytes of `"4 GiB"`, `"500M"` or `"2000000000"`.

    Raises:
        OptionError: Other text, or less than 64 MiB.
    """
    found = _SIZE.fullmatch(text)
    size = float(found[1]) * _UNITS[found[2].upper()] if found else 0.0
    if size < _LEAST:
        raise OptionError(
            f"expected a memory budget of 64 MiB or more, found {text!r}; give e.g. 4GiB"
        )
    return int(size)


def choose_budget(text: str | None) -> str | None:
    """Take a budget for the rest of the process, for the option's callback; `None` for none."""
    _chosen[:] = [] if text is None else [parse_budget(text)]
    return text


@contextmanager
def memory_budget(size: int | str) -> Iterator[None]:
    """Let batches and tiles take so much memory, in bytes or as `parse_budget` has it."""
    before = list(_chosen)
    _chosen[:] = [parse_budget(size) if isinstance(size, str) else size]
    try:
        yield
    finally:
        _chosen[:] = before


def budget_bytes() -> int:
    """Bytes that batches and tiles may take together."""
    return _chosen[0] if _chosen else max(_LEAST, int(_SHARE * free_bytes()))


def free_bytes(root: Path = Path("/")) -> int:
    """Bytes that this process can still take, by `/proc/meminfo` and the limits of its group.

    Args:
        root: Where `proc` and `sys` lie.
    """
    found = [_available(root / "proc/meminfo"), *_left_in_groups(root)]
    return min((size for size in found if size is not None), default=_UNKNOWN)


def _available(path: Path) -> int | None:
    found = re.search(r"^MemAvailable:\s*(\d+) kB", _text(path), re.MULTILINE)
    return int(found[1]) << 10 if found else None


def _left_in_groups(root: Path) -> Iterator[int]:
    """What the limit of each control group around this process leaves (versions 2 and 1)."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, place = [*line.split(":", 2), "", ""][:3]
        groups = root / "sys/fs/cgroup"
        if controllers == "":
            names = ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            groups = groups / "memory"
            names = (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            )
        else:
            continue
        inside = Path(place.lstrip("/"))
        for group in (groups / inside, *(groups / parent for parent in inside.parents)):
            limit, used = (_text(group / name).strip() for name in names[:2])
            if limit.isdigit() and used.isdigit():
                cached = re.search(rf"^{names[2]} (\d+)", _text(group / "memory.stat"), re.M)
                yield max(0, int(limit) - int(used) + (int(cached[1]) if cached else 0))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def is_shortage(error: BaseException) -> bool:
    """Whether an error of Python, numpy or TensorFlow says that memory did not suffice."""
    if type(error).__name__ in _OUT_OF_MEMORY:
        return True
    return type(error).__module__.startswith("tensorflow") and any(
        said in str(error).lower() for said in _SAID
    )


@contextmanager
def room_for(doing: str, *, lower: str) -> Iterator[None]:
    """Turn a shortage of memory within into one line.

    Args:
        doing: What needed it, as a clause: `"shaping the representative dataset"`.
        lower: What the user can lower.

    Raises:
        ResourceError: Memory did not suffice.
    """
    try:
        yield
    except Exception as error:
        if not is_shortage(error):
            raise
        raise shortage(error, doing=doing, lower=lower) from error


def shortage(error: BaseException, *, doing: str, lower: str) -> ResourceError:
    """The error for memory that did not suffice, with how much was asked for where it is told."""
    asked = re.search(r"shape ?\[([\d,]+)\] and type (\w+)", str(error))
    found = f"no room for a tensor of {asked[2]} [{asked[1]}]" if asked else "too little of it"
    return ResourceError(f"expected memory for {doing}, found {found}; lower {lower}")
