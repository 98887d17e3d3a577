"""What the four commands share: errors as one line, JSON, progress, tables."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from sr_models.ground.errors import OptionError, OutputError, SrError
from sr_models.ground.files import require_writable, writing_file
from sr_models.ground.memory import is_shortage, shortage
from sr_models.ground.remaining import Remaining

EXIT_GATE = 1
EXIT_UNUSABLE = 2
EXIT_INTERRUPTED = 130


class GateNotMet(Exception):
    """A gate that the user asked for was not met: exit status 1."""


def new_app(description: str) -> typer.Typer:
    """A command with verbs; no shell-completion options, no tracebacks of its own."""
    return typer.Typer(
        help=description,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave the process with its exit status.

    0 done; 1 a gate was not met; 2 unusable input or output, said in one line on stderr.
    """
    # Read when numpy is first imported. Threads of its linear algebra wait by spinning, which costs
    # more time than they save where products are small; large ones are TensorFlow's.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    received: list[int] = []

    def interrupt(number, _frame):
        received.append(number)
        raise KeyboardInterrupt

    # A polite kill ends a command as Ctrl-C does, so that nothing half-written stays.
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = [signal.signal(number, interrupt) for number in numbers]
    try:
        status = status_of_command(app, sys.argv[1:] if arguments is None else arguments)
    finally:
        for number, handler in zip(numbers, former):
            signal.signal(number, handler)
    if received and status == EXIT_INTERRUPTED:
        # Typer turns the interrupt into an exit without a word.
        print("interrupted", file=sys.stderr)
    sys.exit(status)


def status_of_command(app: typer.Typer, arguments: Sequence[Any]) -> int:
    """Run a command with arguments; its exit status, as `run` has it."""
    words = [str(argument) for argument in arguments]

    def call() -> Any:
        try:
            return app(args=words, standalone_mode=False)
        except typer.TyperException as error:
            raise OptionError(_usage_message(error, words)) from None

    return status_of(call)


def _usage_message(error: typer.TyperException, words: Sequence[str]) -> str:
    reason = error.format_message()
    option = next(
        (name for name in getattr(getattr(error, "param", None), "opts", ()) if name in words[:-1]),
        None,
    )
    if option is None:
        return f"expected a usable command line, found: {reason.rstrip('.')}; see --help"
    found = words[words.index(option) + 1]
    reason = reason.split(": ", 1)[-1].rstrip(".").lower()
    return f"expected a usable {option}, found {found!r} ({reason}); see --help"


def status_of(action: Callable[[], Any]) -> int:
    """Run `action`; its exit status, after saying in one line what went wrong, if anything."""
    try:
        status = action()
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except SrError as error:
        return _say(str(error), EXIT_UNUSABLE)
    except GateNotMet as error:
        return _say(str(error), EXIT_GATE)
    except typer.Exit as stop:
        return stop.exit_code
    except typer.TyperException as error:
        return _say(error.format_message(), EXIT_UNUSABLE)
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except SystemExit as stop:
        # So typer and rich leave when the reader of our output has gone, which is no error.
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        _discard_stdout()
        return 0
    except BrokenPipeError:
        _discard_stdout()
        return 0
    except Exception as error:
        if is_shortage(error):
            lower = "--memory-budget, --tile-side, --pictures or --size, whichever the verb has"
            return _say(str(shortage(error, doing="the work", lower=lower)), EXIT_UNUSABLE)
        if not isinstance(error, OSError):
            raise
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        _discard_stdout()
        return _say("expected room for the output, found a full disk; free some", EXIT_UNUSABLE)


def _discard_stdout() -> None:
    # What is still buffered must not fail again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())


def _say(message: str, status: int) -> int:
    line = " ".join(message.split())
    if line:
        print(f"error: {line}" if status == EXIT_UNUSABLE else line, file=sys.stderr)
    return status


def say(message: str) -> None:
    """One line of chatter, on stderr."""
    print(message, file=sys.stderr, flush=True)


def finite(value: Any) -> Any:
    """The same data with numbers that JSON does not have (infinity, NaN) as `None`."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def json_text(value: Any) -> str:
    """Data as indented JSON with a final newline."""
    return json.dumps(finite(value), indent=2) + "\n"


def require_json_target(target: str | None) -> str | None:
    """`target` itself; raises `OutputError` before the work where JSON could not be written there.

    For the `--json` option's callback.
    """
    if target is not None and target != "-":
        require_writable(target)
        if Path(target).is_dir():
            raise OutputError(f"expected a file for JSON, found a folder: {target}; name a file")
    return target


def write_json(value: Any, target: str | None) -> None:
    """Write data as JSON to a path, or to stdout for `-`; nothing for `None`."""
    if target is None:
        return
    if target == "-":
        sys.stdout.write(json_text(value))
        return
    with writing_file(target) as path:
        path.write_text(json_text(value))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on stdout, numbers to the right.

    As wide as the terminal or `COLUMNS` says; where there is neither, as it needs, up to 200.
    """
    folds = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal()
    # No markup: a folder may be called "[red]".
    console = Console(width=None if folds else 200, markup=False)
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[index]) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console.print(table)


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


@contextmanager
def stages(description: str) -> Iterator[tuple[Callable[[str], None], Callable[..., None]]]:
    """Lines on stderr that say what begins and how long the rest takes; on a terminal a bar too.

    Yields:
        `stage(text)` and `update(done, total)`, both of the whole work.
    """
    remaining = Remaining()
    with progress(description, counted=False) as show:

        def stage(text: str) -> None:
            left = str(remaining)
            say(f"{text} ({left})" if left else text)

        def update(done: int, total: int) -> None:
            remaining.update(done, total)
            show(done, total)

        yield stage, update


@contextmanager
def progress(
    description: str, *, unit: str = "", counted: bool = True
) -> Iterator[Callable[..., None]]:
    """A progress bar on stderr, on a terminal only.

    Args:
        description: What is done.
        unit: What is counted.
        counted: Whether the count is shown, and not the share alone.

    Yields:
        `update(done, total, note="")`.
    """
    from rich import progress as bar

    console = Console(stderr=True)
    with bar.Progress(
        bar.TextColumn("{task.description}"),
        bar.BarColumn(),
        bar.MofNCompleteColumn() if counted else bar.TaskProgressColumn(),
        bar.TextColumn(unit),
        bar.TimeElapsedColumn(),
        bar.TimeRemainingColumn(),
        bar.TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bars:
        task = bars.add_task(description, total=None, note="")

        def update(done: int, total: int, note: str = "") -> None:
            bars.update(task, completed=done, total=total, note=note)

        yield update
