"""Child processes: one that serves calls on untrusted files, one that answers once.

The interpreter is native code: a damaged file can bring it down, hang it, or make it ask for all
memory there is. In a child process that is an answer like any other.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from select import select
from typing import Any

from sr_models.ground.errors import ModelFileError

MEMORY_MB = 768
WHOLE_SIZE_MB = 4096
"""For files that only run at a size of their own, which may be that of a whole picture."""
TIMEOUT_S = 300.0
_SERVE = (
    "import json, sys; path, modules = map(json.loads, sys.argv[1:]); "
    "sys.path[:] = path or sys.path; "
    "from sr_models.ground.child import serve; serve(modules)"
)


@dataclass(frozen=True)
class Crash(Exception):
    """The child died or had to be ended.

    Attributes:
        reason: What happened to it, in words.
    """

    reason: str

    def __str__(self) -> str:
        return self.reason


_ANSWER = "answer of the child: "


def ask_module(module: str, *arguments: str) -> Any:
    """Run a module as a program of its own, for a figure that this process would spoil.

    Args:
        module: Its full name. As a program it ends in `answer`.
        arguments: What it reads from its command line.

    Returns:
        What it told.

    Raises:
        Crash: It failed; the reason is the last line that it wrote.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, errors="replace"
    )
    _, mark, answer = done.stdout.rpartition(_ANSWER)
    if done.returncode != 0 or not mark:
        lines = [line for line in done.stderr.splitlines() if not line.startswith(("INFO", "WARN"))]
        raise Crash(lines[-1].strip() if lines else f"exit status {done.returncode}")
    return json.loads(answer)


def answer(value: Any) -> None:
    """Answer the process that asked by `ask_module`, with plain data."""
    print(f"{_ANSWER}{json.dumps(value)}", flush=True)


class Sandbox:
    """A child process that answers calls; started at the first call and again after a crash.

    Attributes:
        modules: Modules that the child imports before the first call, as they take their time.
        memory_mb: Address space that the child may take beyond what it has after its imports.
        timeout_s: Seconds that one call may take.
        command: A Python on another machine, which finds our packages by itself; this one without.
        environment: What that command's environment is; this process's without.
    """

    def __init__(
        self,
        *modules: str,
        memory_mb: int = MEMORY_MB,
        timeout_s: float = TIMEOUT_S,
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ):
        self.modules, self.memory_mb, self.timeout_s = modules, memory_mb, timeout_s
        self.command, self.environment = tuple(command), environment
        self._child: subprocess.Popen | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def start(self) -> None:
        """Start the child now, so that it imports while the caller does something else."""
        self._started()

    def call(self, job: Callable[..., Any], *contents: bytes, **options: Any) -> Any:
        """Let the child do a job on the contents of files; its answer as plain data.

        Args:
            job: A function at the top of a module, which the child imports; it returns plain data,
                or something with a `to_json`.
            contents: The contents of files, its positional arguments.
            options: Its keyword arguments, as plain data.

        Raises:
            ModelFileError: The child says that a file cannot be used.
            Crash: The child died, or took too long.
        """
        child = self._started()
        head = {
            "job": [job.__module__, job.__qualname__],
            "sizes": [len(c) for c in contents],
            "options": options,
            "memory_mb": self.memory_mb,
        }
        try:
            _write(child.stdin, json.dumps(head).encode(), *contents)
            answer = json.loads(self._read(child))
        except (BrokenPipeError, EOFError):
            raise Crash(self._cause_of_death()) from None
        if "error" in answer:
            raise ModelFileError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                pipe.close()
            self._child = None

    def _started(self) -> subprocess.Popen:
        if self._child is None:
            root = str(Path(__file__).parents[2])
            own = [root, *(entry for entry in sys.path if entry and entry != root)]
            path = [] if self.command else own
            python = self.command or (sys.executable,)
            self._child = subprocess.Popen(
                [*python, "-c", _SERVE, json.dumps(path), json.dumps(self.modules)],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        return self._child

    def _read(self, child: subprocess.Popen) -> bytes:
        deadline = time.monotonic() + self.timeout_s

        def exactly(count: int) -> bytes:
            got = b""
            while len(got) < count:
                left = deadline - time.monotonic()
                if left <= 0 or not select([child.stdout], [], [], left)[0]:
                    self.close()
                    raise Crash(f"ran for more than {self.timeout_s:g} seconds and was ended")
                part = os.read(child.stdout.fileno(), count - len(got))
                if not part:
                    raise EOFError
                got += part
            return got

        return exactly(struct.unpack("<Q", exactly(8))[0])

    def _cause_of_death(self) -> str:
        status = self._child.wait()
        self.close()
        if status >= 0:
            return f"the interpreter left with status {status}"
        name = signal.Signals(-status).name
        why = f"; it may have asked for more than {self.memory_mb} MB" if name == "SIGABRT" else ""
        return f"the interpreter was brought down by {name}{why}"


def serve(modules: Sequence[str] = ()) -> None:
    """The child's side: import modules, then answer calls on stdin until it closes."""
    for module in modules:
        importlib.import_module(module)
    # Native libraries print; the answers keep stdout for themselves.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    limited = False
    while True:
        try:
            head = json.loads(_received(sys.stdin.buffer))
        except EOFError:
            return
        contents = [_exactly(sys.stdin.buffer, size) for size in head["sizes"]]
        module, name = head["job"]
        job = getattr(importlib.import_module(module), name)
        if not limited:
            _limit_memory(head["memory_mb"])
            limited = True
        try:
            result = job(*contents, **head["options"])
            answer = {"result": result.to_json() if hasattr(result, "to_json") else result}
        except (ModelFileError, MemoryError) as error:
            answer = {
                "error": str(error)
                or f"expected to run it in {head['memory_mb']} MB, found "
                "that it takes more; give a smaller file"
            }
        _write(answers, json.dumps(answer).encode())


def _limit_memory(megabytes: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return  # No such file system: nothing to add the allowance to.
    limit = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _write(pipe, *frames: bytes) -> None:
    pipe.write(struct.pack("<Q", len(frames[0])))
    for frame in frames:
        _write_all(pipe, frame)
    pipe.flush()


def _write_all(pipe, frame: bytes) -> None:
    view = memoryview(frame)
    while view:
        view = view[pipe.write(view) :]


def _received(pipe) -> bytes:
    return _exactly(pipe, struct.unpack("<Q", _exactly(pipe, 8))[0])


def _exactly(pipe, count: int) -> bytes:
    content = pipe.read(count)
    if len(content) < count:
        raise EOFError
    return content
