"""The `adb` program: a phone's shell and files, with time limits and errors that say what to do.

Everything above works with `Adb`, so that a test can stand in for it.
"""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from runtime_bench.android.devices import Device, parse_devices
from sr_models.ground.errors import SrError

_MARK = "sr-bench-exit-status="
# How soon a running adb notices that the user has had enough.
_POLL_SECONDS = 0.1
_TROUBLES = (
    ("unauthorized", "that trusts this computer", "unlock it and accept the prompt for debugging"),
    ("still authorizing", "that trusts this computer", "unlock it and try again"),
    ("offline", "that answers", "plug it in again, or run: adb reconnect"),
    ("more than one device", "chosen by --serial", "give --serial"),
    ("no devices", "connected", "connect one and switch USB debugging on"),
    ("not found", "connected", "see: adb devices -l"),
    ("No space left on device", "with free space", "remove files from /data/local/tmp"),
)


class PhoneError(SrError):
    """A phone, or the way to it, that cannot be used."""


class Stopped(Exception):
    """Work on a phone was ended because the user interrupted the command."""


@dataclass(frozen=True)
class ShellResult:
    """What a command on the phone did.

    Attributes:
        status: Its exit status; above 128 a signal ended it.
        text: Its stdout and stderr, merged in order.
    """

    status: int
    text: str


@dataclass(frozen=True)
class Adb:
    """The `adb` client, for all phones or bound to one.

    Attributes:
        program: Name or path of the program.
        options: Arguments for every call, e.g. `("-P", "5038")` for another server.
        serial: The phone that calls go to; `None` before one is chosen.
        stop: Set it to end every running call with `Stopped`.
    """

    program: str = "adb"
    options: tuple[str, ...] = ()
    serial: str | None = None
    stop: threading.Event = field(default_factory=threading.Event, repr=False)

    def on(self, serial: str) -> Adb:
        """The same client, bound to one phone."""
        return replace(self, serial=serial)

    def devices(self) -> tuple[Device, ...]:
        """Every phone that adb knows of, in whatever state."""
        status, out, err = self._call(["devices", "-l"], seconds=30.0)
        if status != 0:
            raise self._trouble("list phones", err or out)
        return parse_devices(out)

    def shell(self, command: str, *, seconds: float = 30.0, always: bool = False) -> ShellResult:
        """Run a command line in the phone's shell.

        Args:
            command: For the phone's `sh`; quote what needs quoting.
            seconds: Time limit.
            always: Run it after `stop` too, to clean up.

        Raises:
            PhoneError: The phone cannot be reached, is gone before the command ended, or the time
                is over.
        """
        # Phones before Android 7 do not hand the exit status on, and a lost connection may look
        # like an end: the status is printed, and a text without it was broken off.
        line = f"( {command}\n) 2>&1; status=$?; echo; echo {_MARK}$status"
        _, out, err = self._call(["shell", line], seconds=seconds, always=always)
        text, mark, status = out.replace("\r\n", "\n").rpartition(_MARK)
        if not mark or not status.strip().isdigit():
            raise self._trouble(f"finish '{command.split()[0]} ...'", err or "the connection gone")
        return ShellResult(int(status), text.removesuffix("\n"))

    def push(self, local: str | Path, remote: str, *, seconds: float = 300.0) -> None:
        """Copy a file to the phone; raises `PhoneError` where that fails."""
        self._copy(["push", str(local), remote], f"copy {Path(local).name} to", seconds=seconds)

    def pull(self, remote: str, local: str | Path, *, seconds: float = 300.0) -> None:
        """Copy a file from the phone; raises `PhoneError` where that fails."""
        self._copy(["pull", remote, str(local)], f"copy {remote} from", seconds=seconds)

    def _copy(self, arguments: list[str], doing: str, *, seconds: float) -> None:
        status, out, err = self._call(arguments, seconds=seconds)
        if status != 0:
            raise self._trouble(f"{doing} the phone", err or out)

    def _trouble(self, doing: str, text: str) -> PhoneError:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = lines[-1].removeprefix("adb: ").removeprefix("error: ") if lines else "no answer"
        name = f"phone {self.serial}" if self.serial else "phone"
        for sign, wanted, remedy in _TROUBLES:
            if sign in text:
                return PhoneError(f"expected a {name} {wanted}, found: {said}; {remedy}")
        return PhoneError(
            f"expected {name} to {doing}, found: {said}; check the connection and try again"
        )

    def _call(
        self, arguments: list[str], *, seconds: float, always: bool = False
    ) -> tuple[int, str, str]:
        bound = ["-s", self.serial] if self.serial else []
        try:
            # A session of its own: Ctrl-C on the terminal must not end the cleaning up too.
            process = subprocess.Popen(
                [self.program, *self.options, *bound, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise PhoneError(
                f"expected the program {self.program}, found: {(error.strerror or '').lower()}; "
                "install Android's platform tools (Debian: apt install adb)"
            ) from error
        deadline = time.monotonic() + seconds
        try:
            while True:
                try:
                    out, err = process.communicate(timeout=_POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    if self.stop.is_set() and not always:
                        raise Stopped from None
                    if time.monotonic() > deadline:
                        raise PhoneError(
                            f"expected phone {self.serial or ''} to finish adb {arguments[0]} "
                            f"within {seconds:.0f} s, found it still busy; raise --seconds, or "
                            "restart the phone"
                        ) from None
                    continue
                return process.returncode, _text(out), _text(err)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
